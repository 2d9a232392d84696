#include "traces/generate_recipe.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <optional>
#include <set>

#include "traces/text.h"
#include "traces/yaml_defaults.h"

namespace scsim {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor& field_of(const Message& message, const RecipeSection& section) {
  return *message.GetDescriptor()->FindFieldByName(section.name);
}

std::vector<const RecipeSection*> sections_of(const Message& message) {
  std::vector<const RecipeSection*> found;
  for (const RecipeSection& section : recipe_sections())
    if (message.GetReflection()->HasField(message, &field_of(message, section)))
      found.push_back(&section);
  return found;
}

template <class Recipe>
std::optional<std::string> wrong_bounds(const Recipe& recipe) {
  if (recipe.max() > 0 && recipe.min() > recipe.max()) return "min is larger than max";
  return std::nullopt;
}

// What is wrong with `message` or anything in it, as "key.key: why".
std::optional<std::string> wrong_in(const Message& message, const std::string& path) {
  std::optional<std::string> wrong;
  if (const auto* length = dynamic_cast<const proto::LengthRecipe*>(&message)) {
    wrong = wrong_bounds(*length);
  } else if (const auto* time = dynamic_cast<const proto::TimeRecipe*>(&message)) {
    wrong = wrong_bounds(*time);
  } else if (const auto* curve = dynamic_cast<const proto::DailyCurveRecipe*>(&message)) {
    const auto positive = [](double weight) { return weight > 0; };
    if (curve->weights_size() > 0 && std::ranges::none_of(curve->weights(), positive))
      wrong = "weights: at least one must be larger than 0";
  } else if (const auto* sessions = dynamic_cast<const proto::SessionsRecipe*>(&message)) {
    const auto positive = [](const proto::TaskRecipe& task) { return task.share() > 0; };
    if (std::ranges::none_of(sessions->tasks(), positive))
      wrong = "tasks: at least one share must be larger than 0";
  }
  if (wrong) return path + ": " + *wrong;

  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const std::string key = path.empty() ? field->name() : path + "." + field->name();
    const int count = field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
    for (int i = 0; i < count && !wrong; ++i) {
      wrong = field->is_repeated()
                  ? wrong_in(message.GetReflection()->GetRepeatedMessage(message, field, i),
                             key + "[" + std::to_string(i) + "]")
                  : wrong_in(message.GetReflection()->GetMessage(message, field), key);
    }
    if (wrong) return wrong;
  }
  return std::nullopt;
}

// The section that `tenant` follows: its own, or the recipe's only one.
Expected<const RecipeSection*> section_followed(const proto::Recipe& recipe,
                                                const proto::TenantRecipe& tenant) {
  const auto own = sections_of(tenant), common = sections_of(recipe);
  if (own.size() == 1) return own.front();
  if (own.empty() && common.size() == 1) return common.front();
  if (own.size() > 1)
    return Error{"has both " + own[0]->name + " and " + own[1]->name + "; expected one section"};
  if (!common.empty())
    return Error{"could follow " + common[0]->name + " or " + common[1]->name +
                 "; give it the one it follows, such as `" + common[0]->name + ": {}`"};
  std::string known;
  for (const RecipeSection& section : recipe_sections())
    known += (known.empty() ? "" : ", ") + section.name;
  return Error{"expected a section that says what it does, one of: " + known};
}

// `tenant` with the keys it does not state taken from the recipe, and from the defaults behind
// that.
proto::TenantRecipe inherited(const proto::Recipe& recipe, const proto::Recipe& common,
                              const proto::TenantRecipe& tenant, const RecipeSection& section) {
  proto::TenantRecipe whole = tenant;
  *whole.mutable_arrivals() = common.arrivals();
  overlay(tenant.arrivals(), *whole.mutable_arrivals());
  if (!whole.has_model()) whole.set_model(common.model());

  Message& into = *whole.GetReflection()->MutableMessage(&whole, &field_of(whole, section));
  into.CopyFrom(recipe.GetReflection()->GetMessage(recipe, &field_of(recipe, section)));
  overlay(tenant.GetReflection()->GetMessage(tenant, &field_of(tenant, section)), into);
  fill_yaml_defaults(whole);
  return whole;
}

std::optional<std::string> unknown_slo(const proto::Recipe& recipe, const std::string& slo) {
  std::vector<std::string> known = {"default"};
  for (const proto::SloConfig& each : recipe.slos()) known.push_back(each.name());
  if (std::ranges::find(known, slo) != known.end()) return std::nullopt;
  return unknown_name("service class", slo, known);
}

}  // namespace

Expected<ResolvedRecipe> resolve_recipe(const proto::Recipe& recipe, const std::string& name) {
  ResolvedRecipe resolved;
  proto::Recipe& common = resolved.common;
  common = recipe;
  for (const RecipeSection& section : recipe_sections())
    common.GetReflection()->ClearField(&common, &field_of(common, section));
  common.clear_tenants();
  fill_yaml_defaults(common);
  if (!common.has_name()) {
    const auto sections = sections_of(recipe);
    common.set_name(sections.size() == 1 ? sections.front()->name : "mixed");
  }
  if (common.duration() == 0 && common.requests() == 0)
    return Error{name + ": duration: 0 has no end; expected `requests` or a duration"};

  std::set<std::string> names;
  double shares = 0;
  for (const proto::TenantRecipe& tenant :
       recipe.tenants_size() > 0 ? recipe.tenants() : common.tenants()) {
    const std::string where = name + ": tenant " + json_quote(tenant.name()) + ": ";
    if (!names.insert(tenant.name()).second) return Error{where + "is there twice"};
    const Expected<const RecipeSection*> section = section_followed(recipe, tenant);
    if (!section) return Error{where + section.error().message};
    resolved.tenants.push_back({inherited(recipe, common, tenant, **section), *section});
    const proto::TenantRecipe& whole = resolved.tenants.back().recipe;
    if (const auto wrong = wrong_in(whole, "")) return Error{where + *wrong};
    if (const auto wrong = unknown_slo(common, whole.slo())) return Error{where + "slo: " + *wrong};
    if (!tenant.arrivals().has_rate()) shares += whole.share();
  }
  common.clear_tenants();

  // The recipe's rate is divided by the shares of those without a rate of their own.
  double rates = 0;
  for (std::size_t i = 0; i < resolved.tenants.size(); ++i) {
    proto::TenantRecipe& tenant = resolved.tenants[i].recipe;
    const bool own = i < static_cast<std::size_t>(recipe.tenants_size()) &&
                     recipe.tenants(static_cast<int>(i)).arrivals().has_rate();
    if (!own)
      tenant.mutable_arrivals()->set_rate(
          shares > 0 ? common.arrivals().rate() * tenant.share() / shares : 0);
    rates += tenant.arrivals().rate();
  }
  if (rates <= 0) return Error{name + ": tenants: every share is 0; expected a larger one"};
  return resolved;
}

}  // namespace scsim
