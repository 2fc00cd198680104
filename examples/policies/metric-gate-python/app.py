"""The policy `metric-gate` in Python. It passes the golden cases of the Rust version."""

import functools
import math

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import policy as contract

SUMMARY = (
    "the candidate must beat the champion on a metric by a margin, without falling behind on the guard metrics: "
    "as evaluations measured them, or else as the runs reported them"
)

# The longest explanation that the host accepts by default, and the longest names in one, in bytes.
LONGEST = 1000
NAME = 64
DATASET = 100

# What the keys of the tags of measured versions start with; the name of the dataset follows.
TAG = "hydra.evaluation."


def answers_with_errors(rule):
    """Answers with the text of an exception: without this, the host would only see that the component stopped."""

    @functools.wraps(rule)
    def answer(*arguments):
        try:
            return rule(*arguments)
        except Err:
            raise
        except BaseException as error:
            # The host accepts 1,000 bytes.
            text = f"{type(error).__name__}: {error}".encode()[:900].decode(errors="ignore")
            raise Err(contract.PolicyError_Internal(text)) from None

    return answer


class Policy(exports.Policy):
    def describe(self):
        text, texts = contract.SettingKind_Text(), contract.SettingKind_Texts()
        number, boolean = contract.SettingKind_Number(), contract.SettingKind_Boolean()
        settings = [
            contract.Setting("metric", text, None, True, "the metric to beat, `name` or `name:min` where less is better"),
            contract.Setting("margin", number, "0", False, "by how much the candidate must be better"),
            contract.Setting("guards", texts, "", False, "metrics that must not get worse"),
            contract.Setting("tolerance", number, "0", False, "by how much a guard metric may be worse"),
            contract.Setting(
                "datasets",
                texts,
                "",
                False,
                "the datasets whose evaluations count; without it, all on labelled rows",
            ),
            contract.Setting(
                "self-reported",
                boolean,
                "true",
                False,
                "whether a metric counts as the runs reported it where the candidate has no evaluation; "
                "with one that lacks the champion, never",
            ),
        ]
        return contract.Descriptor("metric-gate-python", "2.0.0", SUMMARY, settings)

    @answers_with_errors
    def decide_promotion(self, target, context):
        settings = {entry.key: entry.value for entry in context.settings}
        margin, tolerance = float(settings["margin"]), float(settings["tolerance"])
        evidence = Evidence(target, context, settings)
        goal = Gate(settings["metric"])
        if context.champion is None:
            shown = evidence.value(goal)
            if shown is None:
                return evidence.missing(goal, target)
            return approve(target, context, f"there is no champion to beat; {shown}")
        wanted = [(goal, Bar(margin, True) if margin > 0 else Bar(0.0, False), True)]
        guards = (Gate(text) for text in settings["guards"].split(",") if text)
        wanted += [(guard, Bar(-tolerance, True), False) for guard in guards]
        reasons = []
        for gate, bar, is_goal in wanted:
            verdict = evidence.judge(gate, bar, is_goal, reasons)
            if verdict is not None:
                return verdict
        return approve(target, context, joined(reasons))

    @answers_with_errors
    def decide_rollback(self, target, context):
        target = target or context.archived
        if target is None:
            return contract.Verdict_Reject("No archived model to rollback to")
        return approve(
            target, context, f"version {target.version} becomes champion again: rollbacks are always allowed"
        )


class Gate:
    """A metric and its better direction in what runs report. Evaluations state the direction of theirs."""

    def __init__(self, setting):
        metric, colon, direction = setting.rpartition(":")
        if colon and direction in ("min", "max"):
            self.metric, self.sign = metric, 1 if direction == "max" else -1
        else:
            self.metric, self.sign = setting, 1


class Bar:
    """The least gain, and whether that itself suffices."""

    def __init__(self, least, or_equal):
        self.least, self.or_equal = least, or_equal

    def is_reached_by(self, gain):
        return gain >= self.least if self.or_equal else gain > self.least

    def in_words(self, sign):
        return f"wanted {'>' if sign > 0 else '<'}{'=' if self.or_equal else ''} {figure(sign * self.least)}"


class Evidence:
    """What the decision may use."""

    def __init__(self, target, context, settings):
        named = [text for text in settings["datasets"].split(",") if text]
        self.target, self.champion = target, context.champion
        self.evaluations = [
            evaluation
            for evaluation in context.evaluations
            if (evaluation.dataset in named if named else evaluation.kind == contract.EvaluationKind.HOLDOUT)
        ]
        self.self_reported = settings["self-reported"] == "true"
        # A dataset on which the target was measured, and whose evaluation the host did not pass: it lacks the champion, or is
        # missing or altered. What the runs reported must not take its place.
        passed = {evaluation.dataset for evaluation in context.evaluations}
        tagged = (tag.key.removeprefix(TAG) for tag in target.tags if tag.key.startswith(TAG))
        self.left_out = next((name for name in tagged if name not in passed and (not named or name in named)), None)

    def judge(self, gate, bar, is_goal, reasons):
        """Adds how a metric reaches its bar: in every evaluation that measured both versions, or else in what the runs
        reported. Returns the verdict if it does not."""
        measured = False
        for evaluation, metric in self.measured(gate):
            found = overall(metric, self.target.version, self.champion.version)
            if found is None:
                continue
            difference, interval = found
            rows = f"on {excerpt(evaluation.dataset, DATASET)}"
            if math.isnan(difference):
                return contract.Verdict_Hold(f"measured: {excerpt(gate.metric, NAME)} is not defined {rows}")
            sign = 1 if metric.direction == contract.Direction.HIGHER_IS_BETTER else -1
            shown = finding(gate.metric, difference, interval, sign * bar.least)
            words = f"measured: {shown} {rows}, {bar.in_words(sign)}"
            if not bar.is_reached_by(sign * difference):
                return contract.Verdict_Reject(words)
            reasons.append(words)
            measured = True
        return None if measured else self.judge_reported(gate, bar, is_goal, reasons)

    def judge_reported(self, gate, bar, is_goal, reasons):
        value, before = self.reported(gate, self.target), self.reported(gate, self.champion)
        if value is None:
            return self.missing(gate, self.target)
        if before is None:
            # Without a value of the champion there is nothing to compare.
            return self.missing(gate, self.champion) if is_goal else None
        gain = gate.sign * (value - before)
        shown = beside(gain, bar.least)
        words = f"self-reported: {excerpt(gate.metric, NAME)} is {figure(value)}, the champion has {figure(before)}"
        if bar.is_reached_by(gain):
            reasons.append(f"{words}: a gain of {figure(shown)}")
            return None
        if is_goal:
            return contract.Verdict_Reject(f"{words}: a gain of {figure(shown)}, {figure(bar.least)} is required")
        return contract.Verdict_Reject(f"{words}: a loss of {figure(-shown)}, {figure(-bar.least)} is tolerated")

    def value(self, gate):
        """The value of the target, with its source."""
        name = excerpt(gate.metric, NAME)
        for evaluation, metric in self.measured(gate):
            value = measured_value(metric, self.target.version)
            if value is not None:
                shown = f"measured: {name} is {figure(value)} on {excerpt(evaluation.dataset, DATASET)}"
                return None if math.isnan(value) else shown
        value = self.reported(gate, self.target)
        return None if value is None else f"self-reported: {name} is {figure(value)}"

    def measured(self, gate):
        for evaluation in self.evaluations:
            yield from ((evaluation, metric) for metric in evaluation.metrics if metric.name == gate.metric)

    def reported(self, gate, version):
        """The value if the run has one that is not NaN, and the settings let it count."""
        counts = version.run and self.self_reported and self.left_out is None
        metrics = version.run.metrics if counts else []
        values = (metric.value for metric in metrics if metric.key == gate.metric)
        return next((value for value in values if not math.isnan(value)), None)

    def missing(self, gate, version):
        """A missing value is not evidence against the candidate, so the policy holds."""
        name = excerpt(gate.metric, NAME)
        if self.left_out is not None:
            return contract.Verdict_Hold(
                f"version {self.target.version} was measured on {excerpt(self.left_out, DATASET)}, but not together with the "
                f"champion, or the evaluation is damaged: measure both in one evaluation to compare the metric {name}"
            )
        if not self.self_reported:
            return contract.Verdict_Hold(f"no evaluation measured the metric {name} of version {version.version}")
        return contract.Verdict_Hold(
            f"version {version.version} has no usable value of the metric {name}, measured or self-reported"
        )


def overall(metric, target, champion):
    """The difference of two versions on all rows with its interval: the one that was compared, or else that of their
    measurements."""
    for one in metric.comparisons:
        bounds = (one.interval.low, one.interval.high) if one.interval else None
        if one.segment is None and (one.challenger, one.baseline) == (target, champion):
            return one.difference, bounds
        if one.segment is None and (one.challenger, one.baseline) == (champion, target):
            return -one.difference, bounds and (-bounds[1], -bounds[0])
    value, before = measured_value(metric, target), measured_value(metric, champion)
    return None if value is None or before is None else (value - before, None)


def measured_value(metric, version):
    values = (one.value for one in metric.measurements if one.version == version and one.segment is None)
    return next(values, None)


def finding(metric, difference, interval, threshold):
    """The difference as it was measured: `auc +0.004 [0.001, 0.007]`."""
    shown = beside(difference, threshold)
    bounds = ", ".join(figure(beside(bound, threshold)) for bound in interval) if interval else ""
    return f"{excerpt(metric, NAME)} {'+' if shown > 0 else ''}{figure(shown)}{f' [{bounds}]' if bounds else ''}"


def beside(value, threshold):
    """Three digits of a number, or all if three would show it on the other side of the threshold."""
    short = float(f"{value:.3g}")
    sides = [(number > threshold) - (number < threshold) for number in (short, value)]
    return short if sides[0] == sides[1] else value


def figure(value):
    """A number without `.0`; zero has no sign."""
    return repr(value + 0.0).removesuffix(".0")


def joined(reasons):
    """Reasons with semicolons between them, as many as fit into an explanation."""
    for kept in range(len(reasons), 0, -1):
        more = f"; and {len(reasons) - kept} more" if kept < len(reasons) else ""
        text = "; ".join(reasons[:kept]) + more
        if len(text.encode()) <= LONGEST:
            return text
    return excerpt(reasons[0], LONGEST)


def excerpt(text, most):
    """Foreign text on one line, cut after a number of bytes."""
    line = "".join(" " if c < " " or "\x7f" <= c < "\xa0" or c in "\u2028\u2029" else c for c in text).encode()
    if len(line) <= most:
        return line.decode()
    return line[: most - len("…".encode())].decode(errors="ignore") + "…"


def approve(target, context, explanation):
    moves = [contract.AliasMove("champion", target.version)]
    if context.champion:
        moves.append(contract.AliasMove("archived", context.champion.version))
    elif context.archived and context.archived.version == target.version:
        moves.append(contract.AliasMove("archived", None))
    if "candidate" in target.aliases:
        moves.append(contract.AliasMove("candidate", None))
    return contract.Verdict_Approve(contract.Approval(moves, explanation))
