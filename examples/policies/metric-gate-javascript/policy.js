// The policy `metric-gate` in JavaScript. It passes the golden cases of the Rust version.

// The longest explanation that the host accepts by default, and the longest name in one, in bytes.
const LONGEST = 1000;
const NAME = 64;
const DATASET = 100;

// What the keys of the tags of measured versions start with; the name of the dataset follows.
const TAG = 'hydra.evaluation.';

export const policy = {
  describe() {
    return {
      name: 'metric-gate-javascript',
      version: '2.0.0',
      summary:
        'the candidate must beat the champion on a metric by a margin, without falling behind on the guard metrics: as evaluations measured them, or else as the runs reported them',
      settings: [
        declare('metric', 'text', undefined, 'the metric to beat, `name` or `name:min` where less is better'),
        declare('margin', 'number', '0', 'by how much the candidate must be better'),
        declare('guards', 'texts', '', 'metrics that must not get worse'),
        declare('tolerance', 'number', '0', 'by how much a guard metric may be worse'),
        declare('datasets', 'texts', '', 'the datasets whose evaluations count; without it, all on labelled rows'),
        declare(
          'self-reported',
          'boolean',
          'true',
          'whether a metric counts as the runs reported it where the candidate has no evaluation; with one that lacks the champion, never',
        ),
      ],
    };
  },

  decidePromotion: answering((target, context) => {
    const settings = Object.fromEntries(context.settings.map(({ key, value }) => [key, value]));
    const texts = (key) => settings[key].split(',').filter((text) => text !== '');
    const named = texts('datasets');
    const evidence = {
      target,
      champion: context.champion,
      evaluations: context.evaluations.filter(({ dataset, kind }) =>
        named.length > 0 ? named.includes(dataset) : kind === 'holdout',
      ),
      selfReported: settings['self-reported'] === 'true',
      // A dataset on which the target was measured, and whose evaluation the host did not pass: it lacks the champion, or is
      // missing or altered. What the runs reported must not take its place.
      leftOut: target.tags
        .filter(({ key }) => key.startsWith(TAG))
        .map(({ key }) => key.slice(TAG.length))
        .filter((name) => named.length === 0 || named.includes(name))
        .find((name) => context.evaluations.every(({ dataset }) => dataset !== name)),
    };
    const goal = parseGate(settings.metric);
    if (context.champion === undefined) {
      const shown = firstValue(evidence, goal);
      if (shown === undefined) return missing(evidence, goal, target);
      return approve(target, context, `there is no champion to beat; ${shown}`);
    }
    const margin = Number(settings.margin);
    // A bar is the least gain, and whether that itself suffices.
    const bar = margin > 0 ? { least: margin, orEqual: true } : { least: 0, orEqual: false };
    const guardBar = { least: -Number(settings.tolerance), orEqual: true };
    const wanted = [
      { gate: goal, bar, isGoal: true },
      ...texts('guards').map((text) => ({ gate: parseGate(text), bar: guardBar, isGoal: false })),
    ];
    const reasons = [];
    for (const one of wanted) {
      const verdict = judge(evidence, one, reasons);
      if (verdict !== undefined) return verdict;
    }
    return approve(target, context, joined(reasons));
  }),

  decideRollback: answering((named, context) => {
    const target = named ?? context.archived;
    if (target === undefined) return reject('No archived model to rollback to');
    return approve(target, context, `version ${target.version} becomes champion again: rollbacks are always allowed`);
  }),
};

// Answers with the text of an exception: without this, the host would only see that the component stopped.
function answering(rule) {
  return (...evidence) => {
    try {
      return rule(...evidence);
    } catch (error) {
      // What is thrown here is the error of the contract. The host accepts 1,000 bytes.
      throw { tag: 'internal', val: `${error} ${error?.stack ?? ''}`.slice(0, 300) };
    }
  };
}

// A metric and its better direction in what runs report. Evaluations state the direction of theirs.
function parseGate(setting) {
  const [, metric, direction = 'max'] = setting.match(/^(.*?)(?::(min|max))?$/s);
  return { metric, sign: direction === 'max' ? 1 : -1 };
}

// Adds how a metric reaches its bar: in every evaluation that measured both versions, or else in what the runs reported.
// Returns the verdict if it does not.
function judge(evidence, wanted, reasons) {
  const { gate, bar } = wanted;
  let measured = false;
  for (const evaluation of evidence.evaluations) {
    const metric = evaluation.metrics.find(({ name }) => name === gate.metric);
    const found = metric && overall(metric, evidence.target.version, evidence.champion.version);
    if (found === undefined) continue;
    const rows = `on ${excerpt(evaluation.dataset, DATASET)}`;
    if (Number.isNaN(found.difference)) {
      return hold(`measured: ${excerpt(gate.metric, NAME)} is not defined ${rows}`);
    }
    const sign = metric.direction === 'higher-is-better' ? 1 : -1;
    const words = `measured: ${finding(gate.metric, found, bar, sign)} ${rows}, ${inWords(bar, sign)}`;
    if (!reaches(sign * found.difference, bar)) return reject(words);
    reasons.push(words);
    measured = true;
  }
  return measured ? undefined : judgeReported(evidence, wanted, reasons);
}

function judgeReported(evidence, { gate, bar, isGoal }, reasons) {
  const value = reported(evidence, gate, evidence.target);
  if (value === undefined) return missing(evidence, gate, evidence.target);
  const before = reported(evidence, gate, evidence.champion);
  // Without a value of the champion there is nothing to compare.
  if (before === undefined) return isGoal ? missing(evidence, gate, evidence.champion) : undefined;
  const gain = gate.sign * (value - before);
  const shown = beside(gain, bar.least);
  const words = `self-reported: ${excerpt(gate.metric, NAME)} is ${value}, the champion has ${before}`;
  if (reaches(gain, bar)) {
    reasons.push(`${words}: a gain of ${shown}`);
    return undefined;
  }
  if (isGoal) return reject(`${words}: a gain of ${shown}, ${bar.least} is required`);
  return reject(`${words}: a loss of ${-shown}, ${0 - bar.least} is tolerated`);
}

// The value of the target, with its source.
function firstValue(evidence, gate) {
  const name = excerpt(gate.metric, NAME);
  for (const evaluation of evidence.evaluations) {
    const metric = evaluation.metrics.find((one) => one.name === gate.metric);
    const value = metric && measuredValue(metric, evidence.target.version);
    if (value === undefined) continue;
    return Number.isNaN(value) ? undefined : `measured: ${name} is ${value} on ${excerpt(evaluation.dataset, DATASET)}`;
  }
  const value = reported(evidence, gate, evidence.target);
  return value === undefined ? undefined : `self-reported: ${name} is ${value}`;
}

// The difference of two versions on all rows: the one that was compared, or else that of their measurements.
function overall(metric, target, champion) {
  for (const { challenger, baseline, segment, difference, interval } of metric.comparisons) {
    if (segment !== undefined) continue;
    if (challenger === target && baseline === champion) {
      return { difference, interval: interval && [interval.low, interval.high] };
    }
    if (challenger === champion && baseline === target) {
      return { difference: -difference, interval: interval && [-interval.high, -interval.low] };
    }
  }
  const [value, before] = [measuredValue(metric, target), measuredValue(metric, champion)];
  return value === undefined || before === undefined ? undefined : { difference: value - before };
}

function measuredValue(metric, version) {
  return metric.measurements.find((one) => one.version === version && one.segment === undefined)?.value;
}

// The value if the run has one that is not NaN, and the settings let it count.
function reported({ selfReported, leftOut }, gate, version) {
  const value = version.run?.metrics.find(({ key }) => key === gate.metric)?.value;
  return !selfReported || leftOut !== undefined || Number.isNaN(value) ? undefined : value;
}

function reaches(gain, { least, orEqual }) {
  return orEqual ? gain >= least : gain > least;
}

// The difference as it was measured: `auc +0.004 [0.001, 0.007]`.
function finding(metric, { difference, interval }, { least }, sign) {
  const shown = (value) => beside(value, sign * least);
  const figure = shown(difference);
  const bounds = interval === undefined ? '' : ` [${interval.map(shown).join(', ')}]`;
  return `${excerpt(metric, NAME)} ${figure > 0 ? '+' : ''}${figure}${bounds}`;
}

function inWords({ least, orEqual }, sign) {
  // Adding 0 makes -0 a 0.
  return `wanted ${sign > 0 ? '>' : '<'}${orEqual ? '=' : ''} ${sign * least + 0}`;
}

// Three digits of a number, or all if three would show it on the other side of the threshold.
function beside(value, threshold) {
  const short = Number(value.toPrecision(3));
  return (Math.sign(short - threshold) === Math.sign(value - threshold) ? short : value) + 0;
}

// A missing value is not evidence against the candidate, so the policy holds.
function missing({ selfReported, leftOut, target }, gate, { version }) {
  const name = excerpt(gate.metric, NAME);
  if (leftOut !== undefined) {
    return hold(
      `version ${target.version} was measured on ${excerpt(leftOut, DATASET)}, but not together with the champion, or the ` +
        `evaluation is damaged: measure both in one evaluation to compare the metric ${name}`,
    );
  }
  if (!selfReported) return hold(`no evaluation measured the metric ${name} of version ${version}`);
  return hold(`version ${version} has no usable value of the metric ${name}, measured or self-reported`);
}

// Reasons with semicolons between them, as many as fit into an explanation.
function joined(reasons) {
  for (let kept = reasons.length; kept > 0; kept -= 1) {
    const more = kept < reasons.length ? `; and ${reasons.length - kept} more` : '';
    const text = reasons.slice(0, kept).join('; ') + more;
    if (bytes(text) <= LONGEST) return text;
  }
  return excerpt(reasons[0], LONGEST);
}

// Foreign text on one line, cut after a number of bytes.
function excerpt(text, most) {
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
  if (bytes(line) <= most) return line;
  let kept = '';
  let size = bytes('…');
  for (const character of line) {
    size += bytes(character);
    if (size > most) break;
    kept += character;
  }
  return `${kept}…`;
}

function bytes(text) {
  return new TextEncoder().encode(text).length;
}

function hold(explanation) {
  return { tag: 'hold', val: explanation };
}

function reject(explanation) {
  return { tag: 'reject', val: explanation };
}

function approve(target, { champion, archived }, explanation) {
  const moves = [{ alias: 'champion', version: target.version }];
  if (champion !== undefined) {
    moves.push({ alias: 'archived', version: champion.version });
  } else if (archived?.version === target.version) {
    moves.push({ alias: 'archived', version: undefined });
  }
  if (target.aliases.includes('candidate')) {
    moves.push({ alias: 'candidate', version: undefined });
  }
  return { tag: 'approve', val: { moves, explanation } };
}

function declare(key, tag, fallback, doc) {
  return { key, kind: { tag }, default: fallback, required: fallback === undefined, doc };
}
