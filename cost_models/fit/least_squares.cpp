#include "cost_models/fit/least_squares.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>

#include "traces/check.h"

namespace scsim::cost_models {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr double kHuberLimit = 1.345;  // 95 % as efficient as plain least squares on clean samples
constexpr int kMostRounds = 50;

Matrix to_matrix(const std::vector<std::vector<double>>& rows) {
  const auto columns = rows.empty() ? 0 : static_cast<Eigen::Index>(rows.front().size());
  Matrix matrix(static_cast<Eigen::Index>(rows.size()), columns);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SCSIM_CHECK_EQ(static_cast<Eigen::Index>(rows[i].size()), columns);
    for (std::size_t j = 0; j < rows[i].size(); ++j)
      matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = rows[i][j];
  }
  return matrix;
}

std::vector<Eigen::Index> positive(const Vector& x) {
  std::vector<Eigen::Index> indices;
  for (Eigen::Index j = 0; j < x.size(); ++j)
    if (x[j] > 0) indices.push_back(j);
  return indices;
}

Vector solve_on(const Matrix& a, const Vector& b, const std::vector<Eigen::Index>& columns) {
  return Matrix(a(Eigen::all, columns)).colPivHouseholderQr().solve(b);
}

// min |a x - b| with x >= 0: Lawson and Hanson 1974, chapter 23. Columns of `a` have length 1.
Vector non_negative(const Matrix& a, const Vector& b) {
  Vector x = Vector::Zero(a.cols());
  std::vector<Eigen::Index> active;  // those that may be positive
  const double tolerance = 1e-12 * std::max(b.norm(), 1e-300);
  for (int round = 0; round < 10 * static_cast<int>(a.cols()) + 10; ++round) {
    const Vector gradient = a.transpose() * (b - a * x);
    Eigen::Index enters = -1;
    for (Eigen::Index j = 0; j < a.cols(); ++j) {
      if (std::ranges::find(active, j) != active.end() || gradient[j] <= tolerance) continue;
      if (enters < 0 || gradient[j] > gradient[enters]) enters = j;
    }
    if (enters < 0) break;
    active.push_back(enters);
    while (!active.empty()) {
      const Vector z = solve_on(a, b, active);
      double step = 1;
      for (std::size_t k = 0; k < active.size(); ++k) {
        const double to = z[static_cast<Eigen::Index>(k)], from = x[active[k]];
        if (to <= 0) step = std::min(step, from / std::max(from - to, 1e-300));
      }
      for (std::size_t k = 0; k < active.size(); ++k)
        x[active[k]] += step * (z[static_cast<Eigen::Index>(k)] - x[active[k]]);
      if (step >= 1) break;
      std::erase_if(active, [&](Eigen::Index j) {
        if (x[j] > 1e-14) return false;
        x[j] = 0;
        return true;
      });
    }
  }
  return x;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// Huber's weights of relative residuals.
Vector huber(const Vector& residuals) {
  std::vector<double> sizes(static_cast<std::size_t>(residuals.size()));
  for (Eigen::Index i = 0; i < residuals.size(); ++i)
    sizes[static_cast<std::size_t>(i)] = std::abs(residuals[i]);
  const double deviation = std::max(1.4826 * median(std::move(sizes)), 1e-12);
  return residuals.unaryExpr([&](double residual) {
    return std::min(1.0, kHuberLimit * deviation / std::max(std::abs(residual), 1e-300));
  });
}

// Bread: the inverse of the sum of squares of those that Huber does not hold back, which is how
// fast the slopes turn. Filling: each group's slopes, its residuals taken as they would be had it
// not been fitted to (Bell and McCaffrey's CR3; of single samples MacKinnon and White's HC3).
Matrix sandwich(const Matrix& a, const Vector& residuals, const Vector& weights,
                const std::vector<int>& groups) {
  const Vector free = weights.unaryExpr([](double weight) { return weight < 1 ? 0.0 : 1.0; });
  const Matrix bread = (a.transpose() * Matrix(free.asDiagonal() * a))
                           .completeOrthogonalDecomposition()
                           .pseudoInverse();
  std::map<int, std::vector<Eigen::Index>> members;
  for (Eigen::Index i = 0; i < a.rows(); ++i)
    members[groups[static_cast<std::size_t>(i)]].push_back(i);
  Matrix filling = Matrix::Zero(a.cols(), a.cols());
  for (const auto& [group, rows] : members) {
    const Matrix part = a(rows, Eigen::all);
    const Vector pull = Vector(weights(rows)).cwiseProduct(Vector(residuals(rows)));
    const Matrix hat = part * bread * part.transpose() * Vector(free(rows)).asDiagonal();
    const Matrix rest = Matrix::Identity(hat.rows(), hat.cols()) - hat;
    const Vector score =
        part.transpose() * Vector(rest.completeOrthogonalDecomposition().solve(pull));
    filling += score * score.transpose();
  }
  return bread * filling * bread;
}

}  // namespace

double LeastSquaresFit::error(std::size_t i) const {
  return std::sqrt(std::max(covariance[i][i], 0.0));
}

double LeastSquaresFit::at(const std::vector<double>& row) const {
  double sum = 0;
  for (std::size_t i = 0; i < coefficients.size(); ++i) sum += coefficients[i] * row[i];
  return sum;
}

LeastSquaresFit fit_least_squares(const LeastSquaresProblem& problem) {
  SCSIM_CHECK(!problem.rows.empty());
  SCSIM_CHECK_EQ(problem.values.size(), problem.rows.size());
  SCSIM_CHECK_EQ(problem.groups.size(), problem.rows.size());
  const Matrix x = to_matrix(problem.rows);
  const Vector y = Eigen::Map<const Vector>(problem.values.data(), x.rows());
  Vector divisors = y.cwiseMax(problem.smallest);
  Vector weights = Vector::Ones(x.rows());
  Vector beta = Vector::Zero(x.cols());
  for (int round = 0; round < kMostRounds; ++round) {
    const Vector by = weights.cwiseSqrt().cwiseQuotient(divisors);
    Matrix a = by.asDiagonal() * x;
    const Vector lengths = a.colwise().norm().transpose().cwiseMax(1e-300);
    a = a * lengths.cwiseInverse().asDiagonal();
    const Vector next = non_negative(a, by.cwiseProduct(y)).cwiseQuotient(lengths);
    const double change = (x * (next - beta)).cwiseQuotient(divisors).cwiseAbs().maxCoeff();
    beta = next;
    if (change < 1e-9) break;
    divisors = (x * beta).cwiseMax(problem.smallest);
    weights = huber((y - x * beta).cwiseQuotient(divisors));
  }
  LeastSquaresFit fit;
  fit.coefficients.assign(beta.data(), beta.data() + beta.size());
  fit.covariance.assign(fit.coefficients.size(), std::vector<double>(fit.coefficients.size(), 0));
  const std::vector<Eigen::Index> kept = positive(beta);
  if (kept.empty()) return fit;
  Matrix a = divisors.cwiseInverse().asDiagonal() * Matrix(x(Eigen::all, kept));
  const Vector lengths = a.colwise().norm().transpose();
  a = a * lengths.cwiseInverse().asDiagonal();
  const Vector residuals = (y - x * beta).cwiseQuotient(divisors);
  const Matrix covariance = lengths.cwiseInverse().asDiagonal() *
                            sandwich(a, residuals, weights, problem.groups) *
                            lengths.cwiseInverse().asDiagonal();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    for (std::size_t j = 0; j < kept.size(); ++j) {
      fit.covariance[static_cast<std::size_t>(kept[i])][static_cast<std::size_t>(kept[j])] =
          covariance(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
    }
  }
  return fit;
}

std::vector<std::size_t> independent_columns(const std::vector<std::vector<double>>& rows) {
  const Matrix x = to_matrix(rows);
  std::vector<std::size_t> kept;
  std::vector<Vector> basis;
  for (Eigen::Index j = 0; j < x.cols(); ++j) {
    Vector rest = x.col(j);
    const double length = rest.norm();
    if (length == 0) continue;
    for (int twice = 0; twice < 2; ++twice)
      for (const Vector& direction : basis) rest -= direction.dot(rest) * direction;
    if (rest.norm() < 1e-6 * length) continue;
    basis.push_back(rest.normalized());
    kept.push_back(static_cast<std::size_t>(j));
  }
  return kept;
}

}  // namespace scsim::cost_models
