// The policy `metric-gate` in JavaScript. It passes the golden cases of the Rust version.

const text = (key, fallback, doc) => declare(key, 'text', fallback, doc);
const number = (key, fallback, doc) => declare(key, 'number', fallback, doc);

export const policy = {
  describe() {
    return {
      name: 'metric-gate-javascript',
      version: '1.0.0',
      summary: 'the candidate must beat the champion on a metric by a margin, without falling behind on the guard metrics',
      settings: [
        text('metric', undefined, 'the metric to beat, `name` or `name:min` where less is better'),
        number('margin', '0', 'by how much the candidate must be better'),
        text('guards', '', 'metrics that must not get worse, separated by commas'),
        number('tolerance', '0', 'by how much a guard metric may be worse'),
      ],
    };
  },

  decidePromotion: answering((target, context) => {
    const settings = Object.fromEntries(context.settings.map(({ key, value }) => [key, value]));
    const gate = parseGate(settings.metric);
    const value = gate.of(target);
    if (value === undefined) return missing(gate, target);
    const { champion } = context;
    if (champion === undefined) {
      return approve(target, context, `there is no champion to beat; ${gate.metric} is ${value}`);
    }
    const toBeat = gate.of(champion);
    if (toBeat === undefined) return missing(gate, champion);
    const gain = gate.gain(value, toBeat);
    if (gain < Number(settings.margin) || gain <= 0) {
      return reject(
        `${gate.metric} is ${value}, the champion has ${toBeat}: a gain of ${gain.toFixed(6)}, ${settings.margin} is required`,
      );
    }
    const names = settings.guards.split(',').map((name) => name.trim());
    for (const guard of names.filter((name) => name !== '').map(parseGate)) {
      const after = guard.of(target);
      if (after === undefined) return missing(guard, target);
      const before = guard.of(champion);
      const loss = before === undefined ? 0 : -guard.gain(after, before);
      if (loss > Number(settings.tolerance)) {
        return reject(
          `${guard.metric} is ${after}, the champion has ${before}: a loss of ${loss.toFixed(6)}, ${settings.tolerance} is tolerated`,
        );
      }
    }
    return approve(
      target,
      context,
      `${gate.metric} is ${value}, better than the champion's ${toBeat} by ${gain.toFixed(6)}`,
    );
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

function parseGate(setting) {
  const [, metric, direction = 'max'] = setting.match(/^(.*?)(?::(min|max))?$/s);
  return {
    metric,
    of(version) {
      const value = version.run?.metrics.find(({ key }) => key === metric)?.value;
      return Number.isNaN(value) ? undefined : value;
    },
    gain: (value, than) => (direction === 'max' ? value - than : than - value),
  };
}

function missing(gate, version) {
  return { tag: 'hold', val: `version ${version.version} has no usable value of the metric ${gate.metric}` };
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
