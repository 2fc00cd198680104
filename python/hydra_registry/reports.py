"""What the calls of a `ModelRegistry` answer, as immutable values.

Times are aware `datetime` values in UTC. The fields are those of `docs/formats.md`, "Reports"; `from_json` ignores
fields that a later release adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ._evaluation import Agreement, Comparison, Dataset, Evaluation, Interval, Measurement, Segment
from ._report import Report, converted, floats, part, parts, same, time

__all__ = [
    "ActivePolicy",
    "ActivePolicyMember",
    "Agreement",
    "Answer",
    "Candidate",
    "ChampionAt",
    "ChampionInfo",
    "Change",
    "Comparison",
    "Dataset",
    "Entry",
    "Evaluation",
    "Finding",
    "Interval",
    "LeftOut",
    "Measurement",
    "ModelFile",
    "ModelStatus",
    "ModelVersion",
    "PolicyApproval",
    "PolicyIdentity",
    "PolicyStatement",
    "Segment",
    "Statement",
    "Transition",
    "UsedEvaluation",
    "VersionInfo",
]


@dataclass(frozen=True, slots=True)
class Candidate(Report):
    """A candidate that was logged."""

    #: The registered model.
    model: str
    #: The version, which has the alias `candidate` now.
    version: int
    #: The run.
    run_id: str
    #: The SHA-256 of the model file.
    sha256: str
    #: The version that was the candidate until now.
    replaced: int | None
    #: The metrics that were logged.
    metrics: dict[str, float] = converted(floats)


@dataclass(frozen=True, slots=True)
class Change(Report):
    """An alias that moved."""

    #: The alias.
    alias: str
    #: The version before; `None` if the alias was not set.
    before: int | None = converted(same, "from")
    #: The version after; `None` if the alias is not set any more.
    after: int | None = converted(same, "to")


@dataclass(frozen=True, slots=True)
class PolicyIdentity(Report):
    """A policy."""

    #: Its name for itself.
    name: str
    #: Its version.
    version: str
    #: The SHA-256 of its component.
    sha256: str


@dataclass(frozen=True, slots=True)
class Answer(Report):
    """The answer of one of several policies that decided together."""

    #: Its part: `leader`, `gate` or `monitor`.
    mode: str
    #: The SHA-256 of its component.
    sha256: str
    #: `approve`, `reject`, `hold` or `error`.
    verdict: str
    #: Whether its verdict is that of all.
    decides: bool
    #: Its name among them; `None` like the rest if the archived answers cannot be read.
    name: str | None
    #: The policy.
    policy: PolicyIdentity | None = part(PolicyIdentity)
    #: Why.
    explanation: str | None = converted(same)
    #: The kind of the error of a monitor that failed.
    error: str | None = converted(same)
    #: The instructions that its decision used.
    fuel: int | None = converted(same)


@dataclass(frozen=True, slots=True)
class UsedEvaluation(Report):
    """An evaluation that a policy received."""

    #: The name of the dataset.
    dataset: str
    #: The SHA-256 of the document.
    sha256: str
    #: When the measuring ended.
    measured_at: datetime = converted(time)
    #: Whether the call that decided also measured.
    first_hand: bool = converted(same)


@dataclass(frozen=True, slots=True)
class LeftOut(Report):
    """An evaluation that a policy did not receive."""

    #: The name of the dataset.
    dataset: str
    #: The SHA-256 that the document should have, if it is known.
    sha256: str | None
    #: What is wrong, in kebab case.
    flaw: str
    #: What is wrong, in words.
    why: str


@dataclass(frozen=True, slots=True)
class Transition(Report):
    """A decision about a promotion or a rollback."""

    #: The registered model.
    model: str
    #: `promote` or `rollback`.
    operation: str
    #: The version that it is about; `None` for a rollback without one.
    target: int | None
    #: `done`, `staged`, `unchanged`, `rejected` or `held`.
    outcome: str
    #: Why, in the words of the policy.
    explanation: str
    #: The instructions that the decision used.
    fuel: int
    #: The requester.
    actor: str
    #: The requester's reason.
    reason: str | None
    #: Whether nothing was changed or recorded.
    dry_run: bool
    #: The number of the ledger entry; `None` if there was nothing to record.
    sequence: int | None
    #: The SHA-256 of the version's model file.
    model_sha256: str | None
    #: The digest of the policy that is active for the model; `None` if none is. It decided, unless `overrides` has
    #: `inactive-policy`.
    active_policy: str | None
    #: The ids of the keys that signed the policies of a decision or an activation, by the trust rules; at most 4.
    signers: tuple[str, ...] = converted(tuple)
    #: The SHA-256 of the manifests of the artifacts in registries that these policies came from; at most 4.
    manifests: tuple[str, ...] = converted(tuple)
    #: The versions that it puts in quarantine.
    quarantined: tuple[int, ...] = converted(tuple)
    #: The rules of the host that the request set aside.
    overrides: tuple[str, ...] = converted(tuple)
    #: What changes for the users of the predictions.
    model_changes: tuple[dict[str, Any], ...] = converted(tuple)
    #: The aliases that moved or, in a dry run, would move.
    changes: tuple[Change, ...] = parts(Change)
    #: The policy that decided, or that led those that decided; `None` if no policy was asked.
    policy: PolicyIdentity | None = part(PolicyIdentity)
    #: The answers of all policies, if several decided together.
    panel: tuple[Answer, ...] = parts(Answer)
    #: The evaluations that the policy received.
    evaluations: tuple[UsedEvaluation, ...] = parts(UsedEvaluation)
    #: The evaluations that it did not receive.
    evaluations_left_out: tuple[LeftOut, ...] = parts(LeftOut)
    #: When it was decided.
    at: datetime = converted(time)


@dataclass(frozen=True, slots=True)
class Statement(Report):
    """A nomination, an approval, a quarantine or a release of a version."""

    #: The registered model.
    model: str
    #: `nominate`, `approve`, `quarantine` or `release`.
    operation: str
    #: The version.
    version: int
    #: `done`, or `unchanged` if it held already.
    outcome: str
    #: What it means.
    explanation: str
    #: Whether the version is the champion.
    is_champion: bool
    #: The SHA-256 of the model file, if it is known.
    sha256: str | None
    #: Whether an approver also logged the version.
    own: bool
    #: Who said it.
    actor: str
    #: Why.
    reason: str | None
    #: Whether the version exists and is not in quarantine.
    can_become_champion: bool
    #: The number of the ledger entry; `None` if there was nothing to record.
    sequence: int | None
    #: The aliases that moved.
    changes: tuple[Change, ...] = parts(Change)
    #: When an approval ends; `None` if only its use ends it.
    expires: datetime | None = converted(time)
    #: When.
    at: datetime = converted(time)


@dataclass(frozen=True, slots=True)
class PolicyStatement(Report):
    """An activation of a policy, its end, or an approval of one."""

    #: The registered model.
    model: str
    #: `activate`, `deactivate` or `approve`.
    operation: str
    #: The digest of the policy; `None`: that no policy is active.
    policy: str | None
    #: The digest of the policy that was active before.
    former: str | None
    #: `done`, or `unchanged` if it held already.
    outcome: str
    #: What it means.
    explanation: str
    #: How many people must approve before the policy that is active afterwards changes.
    activation_approvals: int
    #: Who said it.
    actor: str
    #: Why.
    reason: str | None
    #: Whether nothing was changed or recorded.
    dry_run: bool
    #: The number of the ledger entry; `None` if there was nothing to record.
    sequence: int | None
    #: Whose approvals of this change count.
    approved_by: tuple[str, ...] = converted(tuple)
    #: When an approval ends; `None` if only its use ends it.
    expires: datetime | None = converted(time)
    #: When.
    at: datetime = converted(time)


@dataclass(frozen=True, slots=True)
class ActivePolicyMember(Report):
    """One of the policies that are active together."""

    #: Its name.
    name: str
    #: Its part: `leader`, `gate` or `monitor`.
    mode: str
    #: Its settings, as it receives them.
    settings: dict[str, str]
    #: Its limits.
    budget: dict[str, Any]
    #: The policy.
    policy: PolicyIdentity = part(PolicyIdentity)


@dataclass(frozen=True, slots=True)
class PolicyApproval(Report):
    """An approval of a policy as the active one."""

    #: The digest of the policy; `None`: that no policy is active.
    policy: str | None
    #: Who approved.
    actor: str
    #: The user that the server said was authenticated.
    user: str | None
    #: Why.
    reason: str | None
    #: When.
    at: datetime = converted(time)
    #: When it ends; `None` if only its use ends it.
    expires: datetime | None = converted(time)


@dataclass(frozen=True, slots=True)
class ActivePolicy(Report):
    """The active policy of a model."""

    #: The registered model.
    model: str
    #: Its digest; `None` if no policy is active.
    policy: str | None
    #: Who activated it.
    actor: str | None
    #: The user that the server said was authenticated.
    user: str | None
    #: Why.
    reason: str | None
    #: How many people must approve before it changes.
    activation_approvals: int
    #: The rules about signatures.
    trust: dict[str, Any] | None
    #: Since when it is active.
    since: datetime | None = converted(time)
    #: The policies, the leader first.
    policies: tuple[ActivePolicyMember, ...] = parts(ActivePolicyMember)
    #: The approvals of policies that were not used yet.
    approvals: tuple[PolicyApproval, ...] = parts(PolicyApproval)


@dataclass(frozen=True, slots=True)
class ChampionInfo(Report):
    """The champion, without its model."""

    #: The registered model.
    model: str
    #: The version.
    version: int
    #: The run that logged it.
    run_id: str | None
    #: The tags of the run.
    tags: dict[str, str]
    #: When it went into quarantine, by whom and why; `None` if it is not in quarantine.
    quarantine: str | None
    #: The metrics of the run.
    metrics: dict[str, float] = converted(floats)
    #: When the version was created.
    created_at: datetime = converted(time)


@dataclass(frozen=True, slots=True)
class ChampionAt(Report):
    """The champion at a time, according to the ledger."""

    #: The registered model.
    model: str
    #: The champion.
    version: int | None
    #: The archived version.
    archived: int | None
    #: The number of the entry since which it was so.
    sequence: int
    #: The time of that entry.
    since: datetime = converted(time)
    #: The time that was asked about.
    as_of: datetime = converted(time)


@dataclass(frozen=True, slots=True)
class VersionInfo(Report):
    """A version of a list."""

    #: The version.
    version: int
    #: The run that logged it.
    run_id: str | None
    #: When it went into quarantine, by whom and why; `None` if it is not in quarantine.
    quarantine: str | None
    #: Its aliases, sorted.
    aliases: tuple[str, ...] = converted(tuple)
    #: When it was created.
    created_at: datetime = converted(time)


@dataclass(frozen=True, slots=True)
class ModelFile(Report):
    """What a model file is."""

    #: `text`, `pickle` or `skops`.
    format: str
    #: The SHA-256 of its bytes.
    sha256: str
    #: Its size in bytes.
    size: int
    #: LightGBM's name of the objective; empty for one of the user's own.
    objective: str
    #: What `predict` answers: `probability`, `label`, `value` or `scores`.
    output: str
    #: The number of raw scores of a row.
    outputs: int
    #: The number of boosting iterations that take part in predictions.
    iterations: int
    #: The labels of the classes.
    classes: tuple[str, ...] = converted(tuple)
    #: The names of the input columns.
    features: tuple[str, ...] = converted(tuple)
    #: The names of the input columns that are categories.
    categories: tuple[str, ...] = converted(tuple)


@dataclass(frozen=True, slots=True)
class ModelVersion(Report):
    """A version with its run and its model file."""

    #: The registered model.
    model: str
    #: The version.
    version: int
    #: The run that logged it.
    run_id: str | None
    #: Where its files are.
    source: str
    #: When it went into quarantine, by whom and why; `None` if it is not in quarantine.
    quarantine: str | None
    #: The tags of the run.
    run_tags: dict[str, str]
    #: The tags of the version.
    tags: dict[str, str]
    #: Why the model cannot be loaded; `None` if it can.
    unloadable: str | None
    #: Its aliases, sorted.
    aliases: tuple[str, ...] = converted(tuple)
    #: The metrics of the run.
    metrics: dict[str, float] = converted(floats)
    #: What the model file is; `None` if it cannot be loaded.
    model_file: ModelFile | None = part(ModelFile)
    #: When the version was created.
    created_at: datetime = converted(time)


@dataclass(frozen=True, slots=True)
class Entry(Report):
    """An entry of the ledger."""

    #: The registered model.
    model: str
    #: Its number.
    sequence: int
    #: What was asked for, or what the entry of the ledger itself is.
    operation: str
    #: The version that it is about.
    target: int | None
    #: `approve`, `reject` or `hold`; `None` for an entry that is not a decision.
    verdict: str | None
    #: `done`, `aborted` or `pending`.
    fate: str
    #: Whether an approver also logged the version.
    own: bool
    #: The SHA-256 of the model file that it is about.
    model_sha256: str | None
    #: Why.
    explanation: str
    #: What a person should conclude, if it is not plain.
    conclusion: str | None
    #: Who asked; for an `external` entry, who found the move.
    actor: str
    #: The user that the server said the requester is authenticated as; `None` where it said nothing.
    user: str | None
    #: The server's clock minus the requester's, in milliseconds; `None` for a store without a clock of its own.
    clock_difference_ms: int | None
    #: The requester's reason.
    reason: str | None
    #: Why the archived answers of several policies cannot be shown in full.
    panel_flaw: str | None
    #: The instructions that the decision used.
    fuel: int | None
    #: The number of evaluations that the entry had no room for.
    more_evaluations: int
    #: The id of the request, equal in all its attempts.
    operation_id: str
    #: The digest of the policy that it makes the active one, or approves as such.
    policy_document: str | None
    #: How many approvals that policy asks for before it changes; `None` for other entries.
    activation_approvals: int | None
    #: The versions that it puts in quarantine.
    quarantined: tuple[int, ...] = converted(tuple)
    #: The rules of the host that the request set aside.
    overrides: tuple[str, ...] = converted(tuple)
    #: What changes for the users of the predictions: `output`, `classes`, `columns`.
    model_change_kinds: tuple[str, ...] = converted(tuple)
    #: The evaluations that the host found.
    evaluations: tuple[dict[str, Any], ...] = converted(tuple)
    #: The aliases that it moves.
    changes: tuple[Change, ...] = parts(Change)
    #: The policy that decided, or that led those that decided.
    policy: PolicyIdentity | None = part(PolicyIdentity)
    #: The answers of all policies, if several decided together.
    panel: tuple[Answer, ...] = parts(Answer)
    #: When an approval ends.
    expires: datetime | None = converted(time)
    #: When the store created it.
    at: datetime = converted(time)


@dataclass(frozen=True, slots=True)
class Finding(Report):
    """What is not as it should be, with its remedy."""

    #: The kind, in kebab case.
    code: str
    #: What it is.
    what: str
    #: What to do about it.
    remedy: str


@dataclass(frozen=True, slots=True)
class ModelStatus(Report):
    """A registered model at a glance."""

    #: The registered model.
    model: str
    #: The champion.
    champion: int | None
    #: The archived version.
    archived: int | None
    #: The candidate.
    candidate: int | None
    #: Whether it has a ledger.
    ledger: bool
    #: What needs a person.
    trouble: tuple[Finding, ...] = parts(Finding)
    #: Since when the champion is the champion, according to the ledger.
    since: datetime | None = converted(time)
