"""The policy `metric-gate` in Python. It passes the golden cases of the Rust version."""

import functools
import math

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import policy as contract

SUMMARY = "the candidate must beat the champion on a metric by a margin, without falling behind on the guard metrics"


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
        text, number = contract.SettingKind_Text(), contract.SettingKind_Number()
        settings = [
            contract.Setting("metric", text, None, True, "the metric to beat, `name` or `name:min` where less is better"),
            contract.Setting("margin", number, "0", False, "by how much the candidate must be better"),
            contract.Setting("guards", text, "", False, "metrics that must not get worse, separated by commas"),
            contract.Setting("tolerance", number, "0", False, "by how much a guard metric may be worse"),
        ]
        return contract.Descriptor("metric-gate-python", "1.0.0", SUMMARY, settings)

    @answers_with_errors
    def decide_promotion(self, target, context):
        settings = {entry.key: entry.value for entry in context.settings}
        margin, tolerance = float(settings["margin"]), float(settings["tolerance"])
        gate = Gate(settings["metric"])
        value = gate.of(target)
        if value is None:
            return gate.missing(target)
        champion = context.champion
        if champion is None:
            return approve(target, context, f"there is no champion to beat; {gate.metric} is {value}")
        to_beat = gate.of(champion)
        if to_beat is None:
            return gate.missing(champion)
        gain = gate.gain(value, to_beat)
        if gain < margin or gain <= 0:
            return contract.Verdict_Reject(
                f"{gate.metric} is {value}, the champion has {to_beat}: a gain of {gain:.6f}, {margin} is required"
            )
        for guard in (Gate(name.strip()) for name in settings["guards"].split(",") if name.strip()):
            after, before = guard.of(target), guard.of(champion)
            if after is None:
                return guard.missing(target)
            loss = -guard.gain(after, before) if before is not None else 0.0
            if loss > tolerance:
                return contract.Verdict_Reject(
                    f"{guard.metric} is {after}, the champion has {before}: "
                    f"a loss of {loss:.6f}, {tolerance} is tolerated"
                )
        return approve(
            target, context, f"{gate.metric} is {value}, better than the champion's {to_beat} by {gain:.6f}"
        )

    @answers_with_errors
    def decide_rollback(self, target, context):
        target = target or context.archived
        if target is None:
            return contract.Verdict_Reject("No archived model to rollback to")
        return approve(
            target, context, f"version {target.version} becomes champion again: rollbacks are always allowed"
        )


class Gate:
    """A metric and its better direction."""

    def __init__(self, setting):
        metric, colon, direction = setting.rpartition(":")
        if colon and direction in ("min", "max"):
            self.metric, self.sign = metric, 1 if direction == "max" else -1
        else:
            self.metric, self.sign = setting, 1

    def of(self, version):
        """The value if the run has one that is not NaN."""
        metrics = version.run.metrics if version.run else []
        values = (metric.value for metric in metrics if metric.key == self.metric)
        return next((value for value in values if not math.isnan(value)), None)

    def gain(self, value, than):
        return self.sign * (value - than)

    def missing(self, version):
        return contract.Verdict_Hold(
            f"version {version.version} has no usable value of the metric {self.metric}"
        )


def approve(target, context, explanation):
    moves = [contract.AliasMove("champion", target.version)]
    if context.champion:
        moves.append(contract.AliasMove("archived", context.champion.version))
    elif context.archived and context.archived.version == target.version:
        moves.append(contract.AliasMove("archived", None))
    if "candidate" in target.aliases:
        moves.append(contract.AliasMove("candidate", None))
    return contract.Verdict_Approve(contract.Approval(moves, explanation))
