#include "tests/support/some_trace.h"

#include <catch2/catch.hpp>

#include "traces/rng.h"

namespace scsim::test {
namespace {

std::string text_of(const Request& request) {
  std::string text = "request";
  const auto add = [&](auto value) { text += " " + std::to_string(value); };
  add(request.id.value());
  add(request.tenant.value());
  add(request.session.value());
  add(request.turn);
  for (const RequestId parent : request.parents) add(parent.value());
  add(request.arrival ? request.arrival->ns() : -1);
  add(request.think.ns());
  add(request.earliest.ns());
  add(request.model.value());
  for (const Span& span : request.prompt) {
    text += " (";
    add(span.content.value());
    add(span.first.value());
    add(span.count.value());
    text += ")";
  }
  add(request.output.value());
  add(request.output_tokens.value());
  add(request.max_tokens.value());
  add(request.task.value());
  add(request.slo.value());
  add(request.priority);
  add(request.cancel_after ? request.cancel_after->ns() : -1);
  return text + "\n";
}

std::string text_of(const SloClass& slo) {
  std::string text = "slo " + std::to_string(slo.id.value()) + " " + slo.name;
  for (const auto& target : {slo.ttft, slo.tpot, slo.e2e}) {
    text += " " + std::to_string(target ? target->ns() : -1);
  }
  return text + "\n";
}

}  // namespace

Expected<std::string> read_all_text(const std::string& path) {
  Expected<TraceReader> reader = TraceReader::open(path);
  if (!reader) return reader.error();
  std::string contents;
  reader->on_content([&](ContentId id, Tokens tokens) {
    contents += std::to_string(id.value()) + ":" + std::to_string(tokens.value()) + "\n";
  });
  reader->on_text([&](ContentId id, std::string_view role, std::string_view text) {
    contents += std::to_string(id.value()) + " " + std::string(role) + " " + std::string(text);
  });
  const TraceHeader& header = reader->header();
  std::string all = header.tool_version + "\n" + header.made_by + "\n" + header.name + "\n" +
                    std::to_string(header.seed) + "\n" + header.notes + "\n";
  Request request;
  while (true) {
    const Expected<bool> more = reader->next(request);
    if (!more) {
      CHECK(reader->next(request).error().message == more.error().message);
      return more.error();
    }
    if (!*more) break;
    all += text_of(request);
  }
  CHECK_FALSE(*reader->next(request));
  CHECK(reader->progress() == 1);
  for (const Tenant& tenant : reader->tables().tenants) {
    all += std::to_string(tenant.id.value()) + tenant.name + tenant.price_class + "\n";
  }
  for (const SloClass& slo : reader->tables().slos) all += text_of(slo);
  for (const std::string& model : reader->tables().models) all += model + "\n";
  for (const std::string& task : reader->tables().tasks) all += task + "\n";
  return all + contents;
}

std::string write_some_trace(const std::string& path, std::size_t num_requests) {
  Rng rng(1, "tests.trace");
  const TraceHeader header = {"1.2.3", "a test", "some", 42, "no assumptions"};
  Expected<TraceWriter> writer = TraceWriter::create(path, header);
  REQUIRE(writer.has_value());
  writer->add_tenant("acme", "gold");
  writer->add_slo({{}, "fast", Duration(1'000'000), {}, Duration(5)});
  writer->add_model("m");
  writer->add_task("qa");
  writer->add_task("summary");
  const ContentId system = writer->add_content(Tokens(1000));
  writer->add_text(system, "system", "Be kind.");
  std::string expected;
  std::int64_t now = 0;
  for (std::size_t i = 0; i < num_requests; ++i) {
    Request request;
    if (i == num_requests / 2) writer->add_tenant("late");
    request.tenant = TenantId(i > num_requests / 2 ? 1 : 0);
    request.session = SessionId(rng.next() >> 1);
    request.turn = static_cast<int>(rng.below(5));
    for (std::uint64_t back = 1; back <= rng.below(3) && back <= i; ++back) {
      request.parents.push_back(RequestId(i - back));
    }
    now += static_cast<std::int64_t>(rng.below(1'000'000'000));
    request.earliest = TimePoint(now);
    if (rng.chance(0.5)) request.arrival = request.earliest;
    if (!request.arrival) request.think = Duration(static_cast<std::int64_t>(rng.below(1000)));
    request.model = ModelId(0);
    request.prompt.push_back({system, Tokens(rng.chance(0.5) ? 10 : 0), Tokens(990)});
    const Tokens question(static_cast<std::int64_t>(1 + rng.below(100)));
    request.prompt.push_back({writer->add_content(question), Tokens(0), question});
    request.output_tokens = Tokens(static_cast<std::int64_t>(rng.below(200)));
    if (rng.chance(0.8)) request.output = writer->add_content(request.output_tokens);
    request.max_tokens = Tokens(200);
    request.task = TaskId(rng.below(2));
    request.slo = SloId(0);
    request.priority = static_cast<int>(rng.below(5)) - 2;
    if (rng.chance(0.2)) request.cancel_after = Duration(1'000'000'000);
    request.id = writer->add(request);
    CHECK((request.id == RequestId(i)));
    expected += text_of(request);
  }
  REQUIRE(writer->finish().has_value());
  return expected;
}

}  // namespace scsim::test
