"""What a pool holds, read through Cognito's API, and what the backup table holds, read as a person
would: in the same form, so that they can be compared."""

import json
import re
from dataclasses import dataclass, field

HISTORY = "#HISTORY"


@dataclass
class Records:
    # By `sub`.
    users: dict = field(default_factory=dict)
    # By name.
    groups: dict = field(default_factory=dict)
    # Pairs of group and `sub`.
    memberships: set = field(default_factory=set)

    def totals(self):
        return {"users": len(self.users), "groups": len(self.groups), "memberships": len(self.memberships)}


def of_pool(cognito, pool):
    found = Records()
    for user in pages(cognito, "list_users", "Users", "PaginationToken", UserPoolId=pool):
        attributes = {entry["Name"]: entry["Value"] for entry in user["Attributes"]}
        found.users[attributes.pop("sub")] = {
            "username": user["Username"], "attributes": attributes, "enabled": user["Enabled"],
            "status": user["UserStatus"],
        }
    for group in pages(cognito, "list_groups", "Groups", "NextToken", UserPoolId=pool):
        name = group["GroupName"]
        found.groups[name] = {
            "description": group.get("Description"), "precedence": group.get("Precedence"),
            "role_arn": group.get("RoleArn"),
        }
        members = pages(cognito, "list_users_in_group", "Users", "NextToken", UserPoolId=pool, GroupName=name)
        for member in members:
            (sub,) = [entry["Value"] for entry in member["Attributes"] if entry["Name"] == "sub"]
            found.memberships.add((name, sub))
    return found


def pages(cognito, operation, what, token, **request):
    while True:
        answer = getattr(cognito, operation)(**request)
        yield from answer[what]
        if token not in answer:
            return
        request[token] = answer[token]


def of_backup(items, at=None):
    """The records among a pool's items that are current, or were at a time."""
    found = Records()
    for item in items:
        if is_version(item) and held_at(item, at):
            add(found, item)
    return found


def add(found, item):
    # Settings are kept as text, because they can hold what DynamoDB would write otherwise.
    record = item.get("record")
    if "#USERS#" in item["pk"]:
        # Cognito's dates are compared by the simulation of the pipeline.
        found.users[record["sub"]] = {name: record[name] for name in ("username", "attributes", "enabled", "status")}
    elif "#MEMBERS#" in item["pk"]:
        found.memberships.add((record["group"], record["sub"]))
    elif re.search("#GROUPS(#HISTORY)?$", item["pk"]):
        found.groups[record["name"]] = {name: record[name] for name in ("description", "precedence", "role_arn")}


def held_at(item, at):
    if at is None:
        return not item["pk"].endswith(HISTORY)
    return item["valid_from"] <= at and ("valid_to" not in item or at < item["valid_to"])


def of_import(items, import_id):
    """What became of each user, by old `sub`; and how many groups and updates could not be done."""
    of_it = [item for item in items if item["pk"].split("#")[:2] == ["IMPORT", import_id]]
    mappings = [record(item) for item in of_it if item["pk"].endswith("#MAP")]
    became = {mapping["sub"]: mapping for mapping in mappings}
    return became, sum("failure" in item for item in of_it)


def record(item):
    """What DynamoDB would write otherwise than we did is kept as text."""
    return item["record"] if "record" in item else json.loads(item["content"])


def restorable(attributes):
    """Those that an import can set. A row of an import job says of every address whether it is verified."""
    return {
        name: value for name, value in attributes.items()
        if name != "identities" and not (name.endswith("_verified") and value == "false")
    }


def is_version(item):
    return "valid_from" in item


def versions(items):
    """All versions of records, current and ended: what a run without changes adds nothing to."""
    return {(item["pk"], item["sk"]): (item["valid_from"], item.get("valid_to")) for item in items if is_version(item)}


def runs(items):
    """The records of runs, in the order they began."""
    found = [item["record"] for item in items if item["sk"].startswith("RUN#")]
    return sorted(found, key=lambda run: run["started_at"])


def personal(items):
    """Texts that must be nowhere but in the table: long enough not to occur by chance."""
    found = set()
    for item in items:
        records = Records()
        add(records, item)
        for user in records.users.values():
            found.update([user["username"], *user["attributes"].values()])
        for name, group in records.groups.items():
            found.update([name, group["description"] or ""])
    return {text for text in found if len(text) >= 8 and not text.isdigit()}
