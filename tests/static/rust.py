"""What the state machines assume of the code, read from the code."""

import re

from project import CODE


def source(file):
    return (CODE / file).read_text()


def words(file, name):
    """The names in a constant list."""
    (text,) = re.findall(rf"const {name}: \[&str; \d+\] = \[(.*?)\];", source(file))
    return set(re.findall(r'"([a-z_]+)"', text))


def pascal(name):
    return "".join(part.capitalize() for part in name.split("_"))


def kebab(name):
    return re.sub("(?<!^)(?=[A-Z])", "-", name).lower()


def body(file, kind, name):
    (text,) = re.findall(rf"(?ms)^pub {kind} {name} \{{\n(.*?)^\}}", source(file))
    return re.sub(r"(?m)^\s*(///|#\[).*$", "", text)


def fields(file, struct):
    """A struct's fields, as the state machine writes them."""
    return {pascal(name) for name in re.findall(r"(?m)^    pub (\w+):", body(file, "struct", struct))}


def variants(file, enum, case=kebab):
    """An enum's variants, as the state machine writes them, with the fields of each."""
    text = body(file, "enum", enum)
    found = re.findall(r"(?ms)^    (\w+)(?: \{\n(.*?)^    \})?,", text)
    return {case(name): {pascal(field) for field in re.findall(r"(?m)^        (\w+):", inside)} for name, inside in found}
