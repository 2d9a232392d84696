// Engines by load, for routers: finds the least loaded of ten thousand by looking at a few.
//
//   loads.heard(place);                                     // Router::heard()
//   loads.refresh(views, [](const EngineView& view) { return ...; });
//   const std::size_t place = loads.least(last + 1);
//
// A tree of minima over the places: a changed load costs O(log engines), and so does each engine
// looked at in search().
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "sim/router.h"

namespace scsim::sim {

class EngineLoads {
 public:
  void heard(std::size_t place) {
    told_ = true;
    if (place >= is_changed_.size()) is_changed_.resize(place + 1, 0);
    if (is_changed_[place]) return;
    is_changed_[place] = 1;
    changed_.push_back(place);
  }

  // Of all engines whose views may have changed since the last call: all, until somebody tells.
  template <class Load>
  void refresh(std::span<const EngineView> engines, Load load) {
    if (engines.size() != size_ || !told_) {
      size_ = engines.size();
      leaves_ = std::bit_ceil(size_);
      least_.assign(2 * leaves_, kNone);
      for (std::size_t place = 0; place < size_; ++place)
        least_[leaves_ + place] = load(engines[place]);
      for (std::size_t node = leaves_; --node > 0;)
        least_[node] = std::min(least_[2 * node], least_[2 * node + 1]);
    } else {
      for (const std::size_t place : changed_) set(place, load(engines[place]));
    }
    for (const std::size_t place : changed_) is_changed_[place] = 0;
    changed_.clear();
  }

  std::size_t size() const { return size_; }
  double load(std::size_t place) const { return least_[leaves_ + place]; }
  // How far a place is behind `first`, in turn.
  std::size_t distance(std::size_t place, std::size_t first) const {
    return place >= first ? place - first : place + size_ - first;
  }

  // What to do with engines that have `load` or more and are `distance` or further from `first`.
  enum class Verdict { kLook, kSkip, kStop };
  // Looks at engines by increasing load, at equal ones in turn from `first` on; stop ends it, so it
  // has to hold for larger loads as well.
  template <class Judge, class Look>
  void search(std::size_t first, Judge judge, Look look) {
    first %= size_;
    open_.assign(1, {least_[1], 0, 1});
    while (!open_.empty()) {
      const Open at = open_.front();
      std::ranges::pop_heap(open_, std::greater<>());
      open_.pop_back();
      const Verdict verdict = judge(at.load, at.distance);
      if (verdict == Verdict::kStop) return;
      if (verdict == Verdict::kSkip) continue;
      if (at.node >= leaves_) {
        look(at.node - leaves_);
        continue;
      }
      for (const std::size_t node : {2 * at.node, 2 * at.node + 1}) {
        if (least_[node] == kNone) continue;
        const std::size_t width = leaves_ >> (std::bit_width(node) - 1);
        const std::size_t begin = node * width - leaves_;
        const bool around = begin <= first && first < begin + width;
        open_.push_back({least_[node], around ? 0 : distance(begin, first), node});
        std::ranges::push_heap(open_, std::greater<>());
      }
    }
  }

  std::size_t least(std::size_t first) {
    std::size_t found = 0;
    bool any = false;
    search(
        first, [&](double, std::size_t) { return any ? Verdict::kStop : Verdict::kLook; },
        [&](std::size_t place) {
          found = place;
          any = true;
        });
    return found;
  }

 private:
  static constexpr double kNone = std::numeric_limits<double>::infinity();
  struct Open {
    double load;
    std::size_t distance;
    std::size_t node;
    bool operator>(const Open& other) const {
      return load != other.load ? load > other.load : distance > other.distance;
    }
  };
  void set(std::size_t place, double load) {
    std::size_t node = leaves_ + place;
    least_[node] = load;
    while (node /= 2) {
      const double least = std::min(least_[2 * node], least_[2 * node + 1]);
      if (least_[node] == least) return;
      least_[node] = least;
    }
  }

  bool told_ = false;
  std::size_t size_ = 0, leaves_ = 1;
  std::vector<double> least_;  // heap order: of node k are nodes 2 k and 2 k + 1
  std::vector<std::size_t> changed_;
  std::vector<char> is_changed_;
  std::vector<Open> open_;
};

}  // namespace scsim::sim
