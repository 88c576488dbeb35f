"""The check of docs/GUARANTEES.md, which `make guarantees` runs over the tests there are."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import guarantees

TESTS = {"it::export::a_pool_is_saved", "it::export::an_empty_one_too", "conformance::ledger::a_page_counts_once"}


def complaints(*promises):
    document = "\n## ".join(["", *promises])
    return [*guarantees.unproven(document), *guarantees.unknown(document, TESTS)]


def test_what_is_there_is_no_complaint():
    assert complaints("G1\n`it::export::a_pool_is_saved`, `…::an_empty_one_too`", "G2\n`it::export::*`",
                      "G3\n`conformance::ledger`", "G4\nThat it is quick: **not proven**.") == []


def test_a_test_that_is_not_there_is_named():
    assert complaints("G1\n`it::export::a_pool_is_saved`, `…::no_such_test`") == [
        "it::export::no_such_test: there is no such test, or it does not run"]
    assert complaints("G1\n`it::imports::*`") == ["it::imports::*: there is no such test, or it does not run"]
    assert complaints("G1\n`somewhere::a_pool_is_saved`") == ["somewhere::a_pool_is_saved: is no name of a test"]


def test_a_promise_without_a_test_says_so():
    assert complaints("G1 All is well\nAlways.") == ["G1 All is well: names no test, and does not say **not proven**"]
