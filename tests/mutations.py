#!/usr/bin/env python3
"""Proves that the tests can fail: breaks the product in one place at a time, in a copy of the checkout, and shows
the test that catches it.

    mutations.py            all of them; some two minutes for the first, then less than one each
    mutations.py NAME...    these
    mutations.py --table    the table of docs/TESTING.md
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
# Always the same folder: cargo keeps apart what it built of different ones.
CHECKOUT = TARGET / "mutated"


@dataclass
class Mutation:
    name: str
    # Where, what is there, and what becomes of it.
    path: str
    old: str
    new: str
    # Where the test is (`lib` of the core, or `it`: of `tests` or `cli`), and its name.
    target: str
    test: str


MUTATIONS = [
    Mutation(
        "an empty page is the end of a listing", "shared/src/export/list.rs",
        "                self.send(run, id, observed_at, page.records).await?;\n"
        "                Ok(next(cursor, page.next))",
        "                let is_empty = matches!(&page.records, PageRecords::Users(users) if users.is_empty());\n"
        "                self.send(run, id, observed_at, page.records).await?;\n"
        "                Ok(next(cursor, page.next.filter(|_| !is_empty)))",
        "it", "pipeline::export::holds_everything_of_an_awkward_pool"),
    Mutation(
        "a later page is asked for without the listing's filter", "shared/src/export/list.rs",
        '            Listing::UsersBySub(lead) => users(UserFilter::StartsWith("sub", lead.clone())).await,',
        "            Listing::UsersBySub(_) if token.is_some() => users(UserFilter::All).await,\n"
        '            Listing::UsersBySub(lead) => users(UserFilter::StartsWith("sub", lead.clone())).await,',
        "it", "pipeline::rates::a_large_export_is_never_throttled"),
    Mutation(
        "the cursor moves before the page is sent", "shared/src/export/list.rs",
        "                self.open_members_of(run, &page.records).await?;\n"
        "                self.send(run, id, observed_at, page.records).await?;",
        "                self.open_members_of(run, &page.records).await?;\n"
        "                self.ledger.advance(&run.id, listing, &next(cursor, page.next.clone())).await?;\n"
        "                self.send(run, id, observed_at, page.records).await?;",
        "it", "workflow::hostile::duplicates_delays_and_killed_workers_end_in_the_same_backup"),
    Mutation(
        "who is missing is not looked up", "shared/src/export/reconcile.rs",
        "        if self.open_new(run, look_up).await? || self.find_missed_groups(run, &missing_groups).await? {",
        "        if look_up.len() == usize::MAX || self.find_missed_groups(run, &missing_groups).await? {",
        "it", "pipeline::export::users_that_a_listing_missed_are_not_called_gone"),
    Mutation(
        "the estimate of users is not looked at", "shared/src/export/widen.rs",
        "            Ordering::Equal => Vec::new(),",
        "            Ordering::Equal | Ordering::Less => Vec::new(),",
        "it", "pipeline::export::loses_nobody_whose_sub_is_no_uuid"),
    Mutation(
        "there is no shrink guard", "shared/src/export/shrink.rs",
        "        if self.allow {",
        "        if self.allow || !stored.users.is_multiple_of(u64::MAX) {",
        "it", "pipeline::export::an_emptied_pool_is_held_and_the_backup_stays_whole"),
    Mutation(
        "a held run is taken for the last complete one", "shared/src/run.rs",
        "self.status == RunStatus::Complete",
        "matches!(self.status, RunStatus::Complete | RunStatus::Held)",
        "it", "journey::too_many_gone_hold_a_run"),
    Mutation(
        "an older observation overwrites a newer one (file)", "shared/src/adapters/sqlite/observe.rs",
        "        Ordering::Greater => retire(db, place, &seen.key, seen.observed_at)?,",
        "        Ordering::Greater | Ordering::Less => retire(db, place, &seen.key, seen.observed_at)?,",
        "it", "sqlite::conformance::a_file_is_a_backup"),
    Mutation(
        "what is superseded is thrown away (file)", "shared/src/adapters/sqlite/observe.rs",
        "        Ordering::Greater => retire(db, place, &seen.key, seen.observed_at)?,",
        "        Ordering::Greater => forget(db, place, &seen.key)?,",
        "it", "pipeline::export::counts_what_changed_and_keeps_what_was"),
    Mutation(
        "a version is written without its condition (table)", "shared/src/adapters/dynamodb/observe.rs",
        "        let unchanged = Some(before.still_current());",
        "        let unchanged = None;",
        "it", "dynamodb::ministack::tables_are_a_backup"),
    Mutation(
        "unprocessed keys of a batch are ignored (table)", "shared/src/adapters/dynamodb/batch.rs",
        "            left.append(&mut unprocessed);\n            keys = left;",
        "            keys = left;",
        "lib", "adapters::dynamodb"),
    Mutation(
        "messages of a batch that SQS refused are ignored", "shared/src/adapters/sqs.rs",
        "        if let Some(failed) = answer.failed().first() {",
        "        if let Some(failed) = answer.failed().get(usize::MAX) {",
        "lib", "adapters::sqs::tests::a_batch_of_which_some_were_not_taken_has_failed"),
    Mutation(
        "a message is deleted before its effect", "shared/src/workflow/hands.rs",
        "                let work = work(delivery.clone());",
        "                if fetched {\n"
        "                    let _ = self.inbox.delete(&delivery).await;\n"
        "                }\n"
        "                let work = work(delivery.clone());",
        "it", "workflow::imports::duplicates_delays_and_killed_processes_make_the_same_pool"),
    Mutation(
        "a listing is done when it is read, though pages are not written", "shared/src/ports/ledger.rs",
        "        self.cursor.ended && self.written == self.cursor.pages",
        "        self.cursor.ended",
        "it", "workflow::hostile::duplicates_delays_and_killed_workers_end_in_the_same_backup"),
    Mutation(
        "a page counts whichever reading it is of", "shared/src/adapters/reading.rs",
        "        if self.cursor.held {",
        "        if self.cursor.held && self.cursor.pages == u64::MAX {",
        "it", "workflow::hostile::a_page_read_again_is_waited_for"),
    Mutation(
        "a worker of a run that has ended writes", "shared/src/workflow/mod.rs",
        "        Some(lease) if lease.run == *run && !lease.released => {",
        "        Some(lease) if lease.run != *run || lease.released => Ok(true),\n"
        "        Some(lease) => {",
        "it", "workflow::imports::messages_of_an_earlier_attempt_change_nothing"),
    Mutation(
        "the last try of a message is not noted", "shared/src/workflow/delivery.rs",
        "    if delivery.receives < MOST_RECEIVES {",
        "    if delivery.receives < MOST_RECEIVES + 1 {",
        "it", "workflow::endings::a_page_whose_writing_always_fails_is_named"),
    Mutation(
        "two executions hold the lock", "shared/src/workflow/mod.rs",
        "        Lease { run, until, holder, .. } if holder != execution =>",
        "        Lease { run, until, holder, .. } if holder.len() == usize::MAX =>",
        "it", "workflow::endings::of_two_starts_at_once_one_runs"),
    Mutation(
        "a call leaves the window when it is sent, not when it is answered", "shared/src/pacing/window.rs",
        "        self.calls.push_back(Call { id, sent: now, answered: None });",
        "        self.calls.push_back(Call { id, sent: now, answered: Some(now) });",
        "lib", "pacing::window::tests"),
    Mutation(
        "a throttled call does not slow down", "shared/src/pacing/window.rs",
        "        self.pace = (self.pace * SLOW_DOWN_TO).max(SLOWEST);",
        "        self.pace = 1.0;",
        "it", "pipeline::rates::slows_down_for_a_live_application_and_recovers"),
    Mutation(
        "each worker takes the whole rate", "shared/src/pacing/rates.rs",
        "        ours.min(self.cap) / f64::from(self.workers.max(1))",
        "        ours.min(self.cap)",
        "it", "workflow::rates::all_workers_together_keep_the_rate_in_every_second"),
    Mutation(
        "a new user is sent a message", "shared/src/adapters/cognito/mod.rs",
        "            .message_action(MessageActionType::Suppress);",
        "            .message_action(MessageActionType::Resend);",
        "lib", "adapters::cognito::tests::calls::a_created_user_gets_no_message_and_takes_no_alias"),
    Mutation(
        "whoever has the name is taken for ours", "shared/src/import/matching.rs",
        "        None => is_as_created(found, &new),",
        "        None => is_as_created(found, &new) || found.enabled,",
        "it", "pipeline::import::someone_else_of_the_same_name_is_left_alone"),
    Mutation(
        "an import job's word is believed", "shared/src/import/matching.rs",
        "        missing.extend(of_jobs.into_iter().filter_map(|(name, user)| {",
        "        missing.extend(of_jobs.into_iter().skip(usize::MAX).filter_map(|(name, user)| {",
        "it", "pipeline::jobs::whom_a_job_loses_is_listed_with_its_line_and_restored_the_next_time"),
    Mutation(
        "a comma in a row is not escaped", "shared/src/import/csv.rs",
        "        return Ok(value.replace(',', \"\\\\,\"));",
        "        return Ok(value.to_owned());",
        "lib", "import::csv::tests"),
    Mutation(
        "a worker that is late takes a restored user back", "shared/src/adapters/sqlite/mappings.rs",
        "         WHERE excluded.new_sub IS NOT NULL OR mappings.new_sub IS NULL",
        "         WHERE TRUE",
        "it", "sqlite::conformance::a_file_keeps_account_of_imports"),
    Mutation(
        "a record's hash is not recomputed", "shared/src/verify.rs",
        "                if !is_sound(version) {",
        "                if version.key.len() == usize::MAX {",
        "it", "damage::a_damaged_record_is_named_also_without_a_seal"),
    Mutation(
        "a broken seal is taken for an intact one", "shared/src/adapters/sqlite/seal.rs",
        "        Some(hash) if hash == digest(file)? => Seal::Intact,",
        "        Some(hash) if hash.len() == digest(file)?.len() => Seal::Intact,",
        "it", "damage::a_flipped_byte_is_found_and_refused"),
    Mutation(
        "anybody can read the backup file", "shared/src/adapters/sqlite/files.rs",
        "0o600", "0o644",
        "it", "sqlite::files"),
    Mutation(
        "secrets of app clients stay in the settings", "shared/src/settings/secrets.rs",
        '            Part::UserPoolClients => secrets_in(item, "", false),',
        "            Part::UserPoolClients => Vec::new(),",
        "lib", "settings::secrets::tests"),
]


def main(arguments):
    for mutation in MUTATIONS:
        found = (ROOT / mutation.path).read_text().count(mutation.old)
        if found != 1:
            sys.exit(f"{mutation.name}: {mutation.path} has {found} places like this, not one: bring the list up to date")
    if arguments == ["--table"]:
        return table()
    chosen = [mutation for mutation in MUTATIONS if not arguments or mutation.name in arguments]
    copy = copied(CHECKOUT)
    survived = [mutation.name for mutation in chosen if not is_caught(copy, mutation)]
    print(f"{len(chosen) - len(survived)} of {len(chosen)} mutations are caught")
    return bool(survived)


def copied(folder):
    """The checkout as it is, without what git ignores."""
    shutil.rmtree(folder, ignore_errors=True)
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, stdout=subprocess.PIPE,
        check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # MiniStack and dynoxide are there.
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def is_caught(copy, mutation):
    path = copy / mutation.path
    before = path.read_text()
    path.write_text(before.replace(mutation.old, mutation.new))
    try:
        failed = failing(copy, mutation)
    finally:
        path.write_text(before)
        # Else cargo takes what was built of the mutation for what is there.
        os.utime(path)
    print(f"{'caught' if failed else 'SURVIVED'}: {mutation.name}: {', '.join(failed) or mutation.test}", flush=True)
    return bool(failed)


def failing(copy, mutation):
    """The tests that fail. That it does not compile is no catch."""
    command = ["cargo", "test", "--workspace", "--locked", "--no-fail-fast"]
    command += ["--lib"] if mutation.target == "lib" else ["--test", mutation.target]
    # Incremental compilation saves nothing here: each time the core is another.
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "CARGO_INCREMENTAL": "0"}
    run = lambda *arguments: subprocess.run(
        [*command, *arguments], cwd=copy, env=environment, capture_output=True, text=True)
    compiled = run("--no-run", "--quiet")
    if compiled.returncode:
        print(f"{mutation.name} does not compile:\n{compiled.stderr}", flush=True)
        return []
    done = run("--", mutation.test)
    return re.findall(r"^test (\S+) \.\.\. FAILED", done.stdout, flags=re.MULTILINE)


def table():
    print("| what is broken | where | the test that catches it |\n|---|---|---|")
    for mutation in MUTATIONS:
        where = mutation.path.removeprefix("shared/src/")
        print(f"| {mutation.name} | `{where}` | `{mutation.test}` |")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
