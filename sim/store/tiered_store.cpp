#include "sim/store/tiered_store.h"

#include <algorithm>
#include <limits>
#include <map>

#include "cost_models/step_cost.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

std::int64_t rounded_up(double bytes) {
  const auto whole = static_cast<std::int64_t>(bytes);
  return whole + (static_cast<double>(whole) < bytes ? 1 : 0);
}

Duration seconds_for(double bytes, double bytes_per_second) {
  return bytes_per_second > 0 ? to_duration(Seconds(bytes / bytes_per_second)) : Duration{};
}

}  // namespace

class TieredStore::OnBehalf {
 public:
  OnBehalf(TieredStore& store, std::size_t engine, TimePoint now) : store_(store), now_(now) {
    EngineAt& at = store.engines_[engine];
    store.waits_ = at.blocks ? &at : nullptr;
  }
  ~OnBehalf() {
    if (store_.waits_ != nullptr) store_.settle(now_);
    store_.waits_ = nullptr;
  }
  OnBehalf(const OnBehalf&) = delete;
  OnBehalf& operator=(const OnBehalf&) = delete;

 private:
  TieredStore& store_;
  TimePoint now_;
};

// ---- the tiers ----

TieredStore::TieredStore(const Cluster& cluster, TokenPaths& paths, Fabric& fabric)
    : settings_(cluster.store),
      paths_(paths),
      fabric_(fabric),
      topology_(fabric.topology()),
      network_(fabric.network()) {
  SCSIM_CHECK(!settings_.tiers.empty());
  KvStore::Listener& listener = *this;
  store_ = std::make_unique<KvStore>(
      KvStore::Options{.block_tokens = settings_.block_tokens, .tail = settings_.tail}, paths_,
      &listener);
  totals_.resize(settings_.tiers.size());
  for (const Fabric::EngineAt& at : fabric.engines()) {
    engines_.push_back(
        {.pool = at.pool,
         .node = at.node,
         .vertex = at.vertex,
         .host = at.host,
         .bytes_per_token = at.pool->model.cache_per_token(at.pool->precision.cache_bits).value(),
         .tiers = {},
         .blocks = at.pool->knobs.loads == EngineKnobs::Loads::kBlocking});
  }
  make_tiers();
  links_changed();
}

void TieredStore::make_tiers() {
  for (std::size_t level = 0; level < settings_.tiers.size(); ++level) {
    const TierSettings& tier = settings(level);
    TierOptions options;
    options.name = tier.name;
    options.capacity = tier.capacity;
    options.ttl = tier.ttl;
    options.eviction = tier.eviction;
    for (const TenantSettings& tenant : settings_.tenants) {
      TenantLimit limit;
      for (const TenantSettings::Limit& given : tenant.limits) {
        if (given.tier == static_cast<int>(level)) limit = {given.quota, given.guarantee};
      }
      options.limits.push_back(limit);
    }
    std::map<VertexId, TierId> made;
    for (std::size_t e = 0; e < engines_.size(); ++e) {
      const VertexId vertex = fabric_.tier(level, e);
      const auto [place, fresh] = made.try_emplace(vertex, -1);
      if (fresh) {
        const Pool* pool = engines_[e].pool;
        options.recompute_seconds = [pool](std::int64_t from, std::int64_t tokens) {
          return cost_models::prefill_seconds(*pool->cost_model, from, tokens);
        };
        place->second = store_->add_tier(options);
        instances_.push_back({level, vertex, e});
      }
      engines_[e].tiers.push_back(place->second);
    }
    prefetches_ = prefetches_ || tier.prefetch;
  }
}

void TieredStore::links_changed() {
  for (EngineAt& engine : engines_) {
    engine.from.clear();
    for (const TierId tier : engine.tiers) {
      engine.from.push_back(
          topology_.routes(instances_[static_cast<std::size_t>(tier)].vertex, engine.vertex));
    }
  }
}

std::vector<std::vector<TierFacts>> TieredStore::facts() const {
  // What can come to be in an instance that is written back is what it holds and what the caches
  // above it hold, which it gets from them.
  std::vector<std::int64_t> above(engines_.size());  // tokens in what stands above, by its number
  std::vector<std::size_t> from(engines_.size());    // that number, by engine
  for (std::size_t e = 0; e < engines_.size(); ++e) {
    from[e] = e;
    above[e] = engines_[e].pool->num_blocks * engines_[e].pool->knobs.block_tokens;
  }
  std::vector<std::vector<TierFacts>> facts(engines_.size());
  for (std::size_t level = 0; level < settings_.tiers.size(); ++level) {
    const TierSettings& tier = settings(level);
    std::vector<std::int64_t> tokens(instances_.size());
    std::vector<char> counted(above.size());
    for (std::size_t e = 0; e < engines_.size(); ++e) {
      const EngineAt& engine = engines_[e];
      const auto instance = static_cast<std::size_t>(engine.tiers[level]);
      if (tokens[instance] == 0)
        tokens[instance] = static_cast<std::int64_t>(static_cast<double>(tier.capacity) /
                                                     (engine.bytes_per_token * tier.codec.ratio));
      if (tier.write_back && !counted[from[e]]) tokens[instance] += above[from[e]];
      counted[from[e]] = 1;
    }
    for (std::size_t e = 0; e < engines_.size(); ++e) {
      const EngineAt& engine = engines_[e];
      const auto instance = static_cast<std::size_t>(engine.tiers[level]);
      const Route& route = *engine.from[level].front();
      double slowest = std::numeric_limits<double>::infinity();
      for (const LinkId link : route.links)
        slowest = std::min(slowest, topology_.links()[link].bytes_per_second);
      const double decode = tier.codec.decode_bytes_per_second;
      facts[e].push_back(
          {.instance = static_cast<std::uint32_t>(instance),
           .seconds_per_token = engine.bytes_per_token *
                                (tier.codec.ratio / slowest + (decode > 0 ? 1 / decode : 0)),
           .latency = static_cast<double>(route.latency.ns()) * 1e-9,
           .tokens = tokens[instance]});
      from[e] = instance;
    }
    above = std::move(tokens);
  }
  return facts;
}

void TieredStore::tenant_seen(std::uint32_t tenant, const std::string& name) {
  const auto found = std::ranges::find(settings_.tenants, name, &TenantSettings::name);
  if (found == settings_.tenants.end()) return;
  for (std::size_t t = 0; t < store_->num_tiers(); ++t) {
    store_->tier(static_cast<TierId>(t))
        .join(tenant, static_cast<std::size_t>(found - settings_.tenants.begin()));
  }
}

// ---- what is where ----

std::int64_t TieredStore::stored_bytes(double kv_bytes, std::size_t level) const {
  return std::max<std::int64_t>(rounded_up(kv_bytes * settings(level).codec.ratio), 1);
}

void TieredStore::look_up(std::size_t engine, PathId path, std::int64_t tokens, TimePoint now) {
  for (const TierId tier : engines_[engine].tiers) store_->tier(tier).expire(now);
  store_->look_up(path, tokens);
}

void TieredStore::plan(std::size_t engine, std::int64_t found, std::int64_t most) {
  const std::int64_t block = settings_.block_tokens;
  const std::vector<TierId>& tiers = engines_[engine].tiers;
  parts_.clear();
  depth_ = found / block;
  while (depth_ < store_->blocks()) {
    std::size_t level = 0;
    std::int64_t end = depth_;
    for (; level < tiers.size(); ++level) {
      if (engines_[engine].from[level].empty()) continue;  // no way leads from there now
      end = store_->leading(tiers[level], depth_);
      if (end > depth_) break;
    }
    if (end == depth_) break;
    const std::int64_t first = std::max(depth_ * block, found);
    const std::int64_t last = std::min(end * block, most);
    if (last > first) parts_.push_back({level, depth_, end, first, last - first});
    depth_ = end;
  }
}

// Of the parts, as many from the first on as bring the first token soonest: estimated from the
// links' load at this moment and the cost of computing the rest.
void TieredStore::keep_what_is_cheaper(std::size_t engine, std::int64_t found, std::int64_t most) {
  if (settings_.fetch == StoreSettings::Fetch::kAlways) return;
  if (settings_.fetch == StoreSettings::Fetch::kNever) return parts_.clear();
  const EngineAt& at = engines_[engine];
  const auto compute = [&](std::int64_t from) {
    return cost_models::prefill_seconds(*at.pool->cost_model, from, most + 1 - from);
  };
  double best = compute(found), slowest = 0, bytes = 0;
  std::size_t keep = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    const CodecSettings& codec = settings(part.level).codec;
    const double kv = at.bytes_per_token * static_cast<double>(part.tokens);
    bytes += kv * codec.ratio;
    const double decode =
        codec.decode_bytes_per_second > 0 ? kv / codec.decode_bytes_per_second : 0;
    slowest = std::max(slowest, decode + network_.expected_seconds(*at.from[part.level].front(),
                                                                   kv * codec.ratio));
    // Parts from several tiers move at once but share the last link.
    const double all = network_.expected_seconds(*at.from[part.level].front(), bytes);
    const double seconds = (i == 0 ? slowest : std::max(slowest, std::min(all, slowest * 2))) +
                           compute(part.first_token + part.tokens);
    if (seconds >= best) continue;
    best = seconds;
    keep = i + 1;
  }
  parts_.resize(keep);
}

std::int64_t TieredStore::loadable(std::size_t engine, PathId path, std::int64_t found,
                                   std::int64_t most, TimePoint now) {
  look_up(engine, path, most + 1, now);
  plan(engine, found, most);
  keep_what_is_cheaper(engine, found, most);
  return parts_.empty() ? found : parts_.back().first_token + parts_.back().tokens;
}

void TieredStore::asked(std::size_t engine, PathId path, std::int64_t tokens, std::int64_t found,
                        const Use& use) {
  const OnBehalf acting(*this, engine, use.now);
  look_up(engine, path, tokens, use.now);
  plan(engine, found, tokens - 1);
  for (const TierId tier : engines_[engine].tiers) store_->use(tier, depth_, use);
  const std::int64_t shared = found / settings_.block_tokens;
  if (shared > 0) {  // what another request's blocks had is asked for the second time
    for (std::size_t level = 0; level < settings_.tiers.size(); ++level) {
      const TierSettings& tier = settings(level);
      if (tier.write_back || !tier.used_again) continue;
      send({.kind = Transfer::Kind::kWriteThrough,
            .path = path,
            .tokens = shared * settings_.block_tokens,
            .from = 0,
            .to = shared,
            .target = engines_[engine].tiers[level],
            .kv_bytes = kv_bytes(engine),
            .use = use},
           engines_[engine].vertex);
    }
  }
}

// ---- to the engine ----

void TieredStore::begin_load(std::size_t engine, PathId path, std::int64_t found, std::int64_t most,
                             std::uint64_t tag, const Use& use) {
  look_up(engine, path, most + 1, use.now);
  plan(engine, found, most);
  keep_what_is_cheaper(engine, found, most);
  fetch_parts(engine, path, most, tag, use);
}

FetchResult TieredStore::load_now(std::size_t engine, PathId path, std::int64_t found,
                                  std::int64_t most, std::int64_t upto, const Use& use) {
  const OnBehalf acting(*this, engine, use.now);
  SCSIM_CHECK(waits_ != nullptr);
  look_up(engine, path, most + 1, use.now);
  plan(engine, found, most);
  keep_what_is_cheaper(engine, found, most);
  std::erase_if(parts_, [&](const Part& part) { return part.first_token >= upto; });
  SCSIM_CHECK(!parts_.empty());
  Part& last = parts_.back();
  last.tokens = std::min(last.tokens, upto - last.first_token);
  const double before = waits_->blocked_seconds;
  FetchResult result = fetch_parts(engine, path, most, 0, use).front().fetch;
  result.wait_ns = to_duration(Seconds(waits_->blocked_seconds - before)).ns();
  return result;
}

// Fetches the parts planned; gives what is there at once.
std::vector<TieredStore::Loaded> TieredStore::fetch_parts(std::size_t engine, PathId path,
                                                          std::int64_t most, std::uint64_t tag,
                                                          const Use& use) {
  SCSIM_CHECK(!parts_.empty());
  std::uint32_t id;
  if (unused_fetches_.empty()) {
    id = static_cast<std::uint32_t>(fetches_.size());
    fetches_.emplace_back();
  } else {
    id = unused_fetches_.back();
    unused_fetches_.pop_back();
  }
  const EngineAt& at = engines_[engine];
  Fetch& fetch = fetches_[id];
  fetch = Fetch{.tag = tag,
                .engine = engine,
                .path = path,
                .path_tokens = most + 1,
                .upto = parts_.back().first_token + parts_.back().tokens,
                .parts = parts_,
                .outstanding = parts_.size(),
                .lossy = false,
                .start = use.now,
                .use = use,
                .result = {}};
  paths_.add_reference(path);
  std::vector<std::uint32_t> there;
  for (Part& part : fetch.parts) {
    const TierId tier = at.tiers[part.level];
    const bool lossy = part.lossy = store_->lossy(tier, part.from, part.to);
    store_->pin(tier, part.from, part.to);
    const double kv = at.bytes_per_token * static_cast<double>(part.tokens);
    const CodecSettings& codec = settings(part.level).codec;
    const std::int64_t bytes = rounded_up(kv * codec.ratio);
    const double seconds =
        cost_models::prefill_seconds(*at.pool->cost_model, part.first_token, part.tokens);
    TierResult& total = totals_[part.level];
    total.fetched_bytes += bytes;
    total.fetched_tokens += part.tokens;
    total.avoided_ns += to_duration(Seconds(seconds)).ns();
    total.avoided_gpu_seconds += seconds * at.pool->gpus_per_engine;
    total.avoided_dollars +=
        seconds * at.pool->gpus_per_engine * at.pool->price_per_gpu_hour / 3600;
    if (lossy) total.fetched_lossy_tokens += part.tokens;
    fetch.result.tokens[part.level] += part.tokens;
    if (lossy) fetch.result.lossy_tokens += part.tokens;
    fetch.result.avoided_ns += to_duration(Seconds(seconds)).ns();
    fetch.lossy = fetch.lossy || lossy;

    const std::uint32_t transfer = new_transfer({.kind = Transfer::Kind::kFetch,
                                                 .path = path,
                                                 .tokens = most + 1,
                                                 .from = part.from,
                                                 .to = part.to,
                                                 .source = tier,
                                                 .fetch = id});
    const Duration decode = seconds_for(kv, codec.decode_bytes_per_second);
    const Route& way = *Topology::one_of(at.from[part.level], transfer);
    if (waits_ != nullptr) {
      wait_for(way, static_cast<double>(bytes), decode.seconds().value());
      there.push_back(transfer);
    } else {
      network_.start(way, bytes, decode, transfer, use.now, use.tenant);
    }
  }
  std::vector<Loaded> loaded;
  for (const std::uint32_t one : there) {
    part_arrived(Transfer(transfers_[one]), use.now, loaded);
    unused_transfers_.push_back(one);
  }
  return loaded;
}

void TieredStore::wait_for(const Route& route, double bytes, double coding_seconds) {
  waits_->blocked_seconds += network_.expected_seconds(route, bytes) + coding_seconds;
}

// What was moved on behalf of an engine that waits comes to be in its tier, and so does what that
// pushes out.
void TieredStore::settle(TimePoint now) {
  for (demote_what_left(now); !at_once_.empty(); demote_what_left(now)) {
    const std::vector<Transfer> moved = std::exchange(at_once_, {});
    for (const Transfer& transfer : moved) {
      arrived(transfer, now);
      paths_.drop_reference(transfer.path);
    }
  }
}

void TieredStore::part_arrived(const Transfer& transfer, TimePoint now,
                               std::vector<Loaded>& loaded) {
  Fetch& fetch = fetches_[transfer.fetch];
  if (--fetch.outstanding > 0) return;
  fetch.result.wait_ns = (now - fetch.start).ns();
  loaded.push_back({fetch.tag, fetch.upto, fetch.lossy, fetch.result});

  const EngineAt& at = engines_[fetch.engine];
  look_up(fetch.engine, fetch.path, fetch.path_tokens, now);
  for (const Part& part : fetch.parts) store_->unpin(at.tiers[part.level], part.from, part.to);
  Use use = fetch.use;
  use.now = now;
  for (const Part& part : fetch.parts) {
    const TierId source = at.tiers[part.level];
    bool goes_up = false;  // to a tier above, and leaves this one when it has got there
    for (std::size_t level = part.level; level-- > 0;) {
      if (!settings(level).promote) continue;
      store_->look_up(fetch.path, fetch.path_tokens);
      goes_up = send({.kind = Transfer::Kind::kPromote,
                      .path = fetch.path,
                      .tokens = fetch.path_tokens,
                      .from = part.from,
                      .to = part.to,
                      .source = source,
                      .target = at.tiers[level],
                      .kv_bytes = kv_bytes(fetch.engine),
                      .lossy = part.lossy,
                      .use = use},
                     at.host) ||
                goes_up;
    }
    if (settings(part.level).exclusive && !goes_up && at.pool->knobs.prefix_caching) {
      store_->look_up(fetch.path, fetch.path_tokens);
      store_->move_out(source, part.from, part.to, now);
    }
  }
  paths_.drop_reference(fetch.path);
  unused_fetches_.push_back(transfer.fetch);
}

// ---- into tiers ----

std::uint32_t TieredStore::new_transfer(const Transfer& transfer) {
  if (unused_transfers_.empty()) {
    transfers_.push_back(transfer);
    return static_cast<std::uint32_t>(transfers_.size() - 1);
  }
  const std::uint32_t id = unused_transfers_.back();
  unused_transfers_.pop_back();
  transfers_[id] = transfer;
  return id;
}

bool TieredStore::send(const Transfer& transfer, VertexId from) {
  if (is_down(transfer.target)) return false;
  const std::int64_t missing = store_->missing(transfer.target, transfer.from, transfer.to);
  if (missing > 0) start(transfer, from, missing);
  return missing > 0;
}

void TieredStore::start(Transfer transfer, VertexId from, std::int64_t blocks) {
  const std::size_t level = level_of(transfer.target);
  const CodecSettings& codec = settings(level).codec;
  transfer.lossy = transfer.lossy || codec.lossy;
  const Instance& target = instances_[static_cast<std::size_t>(transfer.target)];
  const auto routes = topology_.routes(from, target.vertex);
  if (routes.empty()) return;  // while a link is down it is not written
  paths_.add_reference(transfer.path);
  const std::int64_t bytes = blocks * stored_bytes(transfer.kv_bytes, level);
  const Duration encode =
      seconds_for(transfer.kv_bytes * static_cast<double>(blocks), codec.encode_bytes_per_second);
  if (waits_ != nullptr) {
    wait_for(*routes.front(), static_cast<double>(bytes), encode.seconds().value());
    at_once_.push_back(transfer);
    return;
  }
  // What an engine evicts has been forgotten there, and with it whose it was.
  const bool of_nobody = transfer.kind == Transfer::Kind::kWriteBack && transfer.source < 0;
  const std::uint32_t id = new_transfer(transfer);
  network_.start(*Topology::one_of(routes, id), bytes, encode, id, transfer.use.now,
                 of_nobody ? Network::kNobody : transfer.use.tenant);
}

// To the first tier from `level` on that is written through and lacks some of the blocks before
// `to`; the next one gets them from there.
void TieredStore::write_through(std::size_t engine, std::int64_t to, VertexId source,
                                std::size_t level, Transfer transfer) {
  for (; level < settings_.tiers.size(); ++level) {
    const TierSettings& tier = settings(level);
    if (tier.write_back || tier.used_again) continue;
    transfer.target = engines_[engine].tiers[level];
    transfer.from = std::min(store_->leading(transfer.target, 0), to);
    transfer.to = to;
    if (send(transfer, source)) return;
  }
}

void TieredStore::computed(std::size_t engine, PathId path, std::int64_t before,
                           std::int64_t tokens, const Use& use) {
  const OnBehalf acting(*this, engine, use.now);
  const std::int64_t block = settings_.block_tokens;
  const std::int64_t covered = before == 0 && settings_.tail ? tokens : tokens / block * block;
  if (covered <= before) return;  // no further block is full
  look_up(engine, path, covered, use.now);
  write_through(engine, store_->blocks(), engines_[engine].vertex, 0,
                {.kind = Transfer::Kind::kWriteThrough,
                 .path = path,
                 .tokens = covered,
                 .from = 0,
                 .to = 0,
                 .kv_bytes = kv_bytes(engine),
                 .use = use});
}

void TieredStore::evicted(std::size_t engine, PathId path, std::int64_t from, std::int64_t to,
                          std::int64_t block_tokens, TimePoint now) {
  if (!settings(0).write_back) return;
  const OnBehalf acting(*this, engine, now);
  // The blocks of the store that end in what was evicted: their beginnings are still there.
  const std::int64_t first = from * block_tokens / settings_.block_tokens;
  const std::int64_t last = to * block_tokens / settings_.block_tokens;
  if (last <= first) return;
  look_up(engine, path, last * settings_.block_tokens, now);
  send({.kind = Transfer::Kind::kWriteBack,
        .path = path,
        .tokens = last * settings_.block_tokens,
        .from = first,
        .to = last,
        .target = engines_[engine].tiers[0],
        .kv_bytes = kv_bytes(engine),
        .use = {.now = now}},
       engines_[engine].vertex);
}

void TieredStore::leaving(TierId tier, const KvStore::LeavingBlocks& blocks,
                          const Resident& resident) {
  const Instance& source = instances_[static_cast<std::size_t>(tier)];
  const std::size_t below = source.level + 1;
  if (below >= settings_.tiers.size() || !settings(below).write_back) return;
  const TierId target = engines_[source.engine].tiers[below];
  if (is_down(target)) return;
  if (store_->tier(target).cached(blocks.run) != kNoCopy) return;  // all of them
  const double kv = static_cast<double>(resident.block_bytes) / settings(source.level).codec.ratio;
  if (!leaving_.empty()) {  // the run before the one that has just left goes with it
    Leaving& last = leaving_.back();
    Transfer& transfer = last.transfer;
    if (transfer.source == tier && last.parent == blocks.run && transfer.from == blocks.to &&
        transfer.lossy == resident.lossy && transfer.kv_bytes == kv &&
        transfer.use.tenant == resident.tenant) {
      transfer.from = blocks.from;
      last.parent = blocks.parent;
      return;
    }
  }
  paths_.add_reference(blocks.path);
  leaving_.push_back(
      {blocks.from > resident.begin ? blocks.run : blocks.parent,
       {.kind = Transfer::Kind::kWriteBack,
        .path = blocks.path,
        .tokens = blocks.tokens,
        .from = blocks.from,
        .to = blocks.to,
        .source = tier,
        .target = target,
        .kv_bytes = kv,
        .lossy = resident.lossy,
        .use = {.now = {}, .tenant = resident.tenant, .number = resident.last_number}}});
}

// The blocks that had to leave a tier are on their way to the one below.
void TieredStore::demote_what_left(TimePoint now) {
  for (Leaving& left : leaving_) {
    left.transfer.use.now = now;
    start(left.transfer, instances_[static_cast<std::size_t>(left.transfer.source)].vertex,
          left.transfer.to - left.transfer.from);
    paths_.drop_reference(left.transfer.path);
  }
  leaving_.clear();
}

void TieredStore::prefetch(std::size_t engine, PathId path, std::int64_t tokens, const Use& use) {
  const std::vector<TierId>& tiers = engines_[engine].tiers;
  const std::int64_t covered = tokens / settings_.block_tokens * settings_.block_tokens;
  for (std::size_t level = 0; level < tiers.size(); ++level) {
    if (!settings(level).prefetch) continue;
    look_up(engine, path, covered, use.now);
    const std::int64_t here = store_->leading(tiers[level], 0);
    for (std::size_t below = level + 1; below < tiers.size(); ++below) {
      const std::int64_t there = store_->leading(tiers[below], here);
      if (there <= here) continue;
      send({.kind = Transfer::Kind::kPrefetch,
            .path = path,
            .tokens = covered,
            .from = here,
            .to = there,
            .source = tiers[below],
            .target = tiers[level],
            .kv_bytes = kv_bytes(engine),
            .lossy = store_->lossy(tiers[below], here, there),
            .use = use},
           instances_[static_cast<std::size_t>(tiers[below])].vertex);
      break;
    }
  }
}

std::int64_t TieredStore::fail(TierId id, TimePoint now) {
  down_.resize(store_->num_tiers());
  down_[static_cast<std::size_t>(id)] = 1;
  Tier& tier = store_->tier(id);
  tier.expire(now);
  const std::int64_t bytes = tier.used();
  tier.lose(now);
  return bytes;
}

void TieredStore::arrived(const Transfer& transfer, TimePoint now) {
  if (is_down(transfer.target)) return;
  const std::size_t level = level_of(transfer.target);
  Tier& target = store_->tier(transfer.target);
  target.expire(now);
  store_->look_up(transfer.path, transfer.tokens);
  Use use = transfer.use;
  use.now = now;
  // What was written through comes behind what is here already; if that has gone meanwhile, it is
  // of no use. Other blocks may have what precedes them in a tier above.
  const bool follows = transfer.kind != Transfer::Kind::kWriteThrough ||
                       store_->leading(transfer.target, 0) >= transfer.from;
  if (follows) {
    store_->insert(transfer.target, transfer.from, transfer.to, use,
                   {.block_bytes = stored_bytes(transfer.kv_bytes, level),
                    .lossy = transfer.lossy,
                    .prefetched = transfer.kind == Transfer::Kind::kPrefetch});
  }
  if (transfer.kind == Transfer::Kind::kWriteThrough && !settings(level).used_again) {
    store_->look_up(transfer.path, transfer.tokens);
    Transfer onward = transfer;
    onward.use = use;
    write_through(instances_[static_cast<std::size_t>(transfer.target)].engine, transfer.to,
                  instances_[static_cast<std::size_t>(transfer.target)].vertex, level + 1, onward);
  } else if (transfer.source >= 0 && settings(level_of(transfer.source)).exclusive &&
             transfer.kind != Transfer::Kind::kWriteBack) {
    store_->look_up(transfer.path, transfer.tokens);
    const std::int64_t here = store_->leading(transfer.target, transfer.from);
    if (here > transfer.from)
      store_->move_out(transfer.source, transfer.from, std::min(here, transfer.to), now);
  }
}

void TieredStore::arrived(const Network::Done& done, std::vector<Loaded>& loaded) {
  const auto id = static_cast<std::uint32_t>(done.tag);
  const Transfer transfer = transfers_[id];
  unused_transfers_.push_back(id);
  if (transfer.kind == Transfer::Kind::kFetch) {
    part_arrived(transfer, done.when, loaded);
  } else {
    arrived(transfer, done.when);
    paths_.drop_reference(transfer.path);
  }
  demote_what_left(done.when);
}

}  // namespace scsim::sim
