// log, exp and pow that give the same bits on every machine of one architecture.
//
// The C library's differ in the last bit between versions and CPU dispatch paths, so nothing that
// decides a simulated byte may call them. These use only + - * / and integer operations on the
// exponent; relative error below 1e-14 over the normal range (tested against the C library's).
#pragma once

namespace scsim {

double stable_log(double x);            // REQUIRES: x > 0, finite
double stable_exp(double x);            // 0 below about -708, infinity above about 709
double stable_pow(double x, double y);  // REQUIRES: x >= 0
double stable_cos(double x);            // REQUIRES: |x| < 1e6
double stable_lgamma(double x);         // REQUIRES: x > 0; relative error below 1e-10

}  // namespace scsim
