// How good the embedded simulator is on kernels, problems and generators that it never saw: features here (where they are
// computed for use, too), folds and models in embedded.py. `node bench/embedded.mjs --help` tells the options.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { childEnvironment, readConfig } from '../dist/config.js';
import { problemUnit } from '../dist/dataset/split.js';
import { readCandidates } from '../dist/import/candidates.js';
import { readProblems } from '../dist/import/problems.js';
import { sha256 } from '../dist/problem.js';
import { clusteredBootstraps } from '../dist/report/intervals.js';
import { lossesOf } from '../dist/report/losses.js';
import {
  accuracyOf,
  averageOf,
  balancedAccuracyOf,
  confusionCounter,
  f1Of,
  kendallTauBOf,
  medianOf,
  precisionOf,
  recallOf,
  rocAucOf,
} from '../dist/report/metrics.js';
import { calibrated, fitCurve, makeCalibration } from '../dist/simulator/calibration.js';
import { featureVersion } from '../dist/simulator/features.js';
import { cardHeads, inDraft, writeCard } from '../dist/tuning/embedded.js';
import { writeFeatures } from '../dist/tuning/feature-file.js';
import { calibrateHead, fitEmbedded, Scored } from '../dist/tuning/fit-embedded.js';

const judgedKinds = new Set(['correct', 'mismatch', 'compile-error', 'runtime-error', 'cuda-fault']);

const config = readConfig();
const home = join(config.home, 'embedded');
const { values: options } = parseArgs({
  options: {
    predictions: { type: 'string', default: join(home, 'predictions.jsonl') },
    seed: { type: 'string', default: '1' },
    'report-only': { type: 'boolean', default: false },
    ship: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`node bench/embedded.mjs [--predictions FILE] [--seed N] [--report-only] [--ship FOLDER]
Out-of-fold predictions go to FILE as JSON Lines (default ${options.predictions}). --report-only prints what the last run
measured; --ship trains on all rows and writes the model that ships, with the figures of the last run in its card.`);
  process.exit(0);
}
if (config.corporaFolder === null) {
  console.error('no corpora; set KVAL_CORPORA to the folder that holds candidates-*.jsonl');
  process.exit(1);
}

const rows = await corporaRows(config.corporaFolder);
const place = (name) => join(home, name);
const resultsFile = join(config.root, 'bench', 'results', 'embedded.json');
if (options.ship === undefined) await benchmark();
else await ship(JSON.parse(readFileSync(resultsFile, 'utf8')), options.ship);

async function benchmark() {
  if (!options['report-only']) await train();
  const folds = linesOf(place('scores.jsonl'));
  const predictions = folds.flatMap(predict);
  mkdirSync(dirname(resolve(options.predictions)), { recursive: true });
  writeFileSync(options.predictions, predictions.map((one) => `${JSON.stringify(one.public)}\n`).join(''));
  const results = {
    command: ['node', 'bench/embedded.mjs', ...process.argv.slice(2)].join(' '),
    versions: { node: process.version, features: featureVersion },
    machine: { cpus: cpus().length, processor: cpus()[0]?.model ?? '' },
    seed: Number(options.seed),
    rows: countRows(),
    ...report(predictions, folds),
  };
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 2)}\n`);
  print(results);
}

async function train() {
  mkdirSync(home, { recursive: true });
  await writeFeatures(rows, 'corpora', place('features.bin'));
  const described = rows.map(({ text, unit, generator, split }) =>
    JSON.stringify({ problem: unit, generator, judged: split === 'test', code: text.candidate }),
  );
  writeFileSync(place('rows.jsonl'), `${described.join('\n')}\n`);
  const files = ['--matrix', place('features.bin'), '--rows', place('rows.jsonl'), '--out', place('scores.jsonl')];
  const child = spawnSync(
    config.python,
    [join(config.root, 'bench', 'embedded.py'), ...files, '--seed', options.seed],
    { stdio: 'inherit', env: { ...childEnvironment(config), OMP_NUM_THREADS: '1' } },
  );
  if (child.status !== 0) process.exit(child.status ?? 1);
}

/** Every judged kernel of a fold, calibrated on what held-out models said of the fold's training rows. */
function predict(fold) {
  const { compiled, correct, logRuntimeMs } = fold.heads;
  const heads = { compiled: headOf(compiled, 'compiled'), correct: headOf(correct, 'correct') };
  const learned = fold.learned.map((row) => rows[row]).filter((row) => row.split === 'test');
  return fold.test.map((at, index) => {
    const row = rows[at];
    const pCompiled = calibrated(heads.compiled, compiled.scores[index]);
    const pGivenBuilt = calibrated(heads.correct, correct.scores[index]);
    const pCorrect = pCompiled * pGivenBuilt;
    const others = (name) => ({
      majority: shareOf(learned, name),
      prior: shareOf(alike(learned, row), name),
      tfidf: fold.tfidf[name][index],
    });
    return {
      row,
      public: {
        candidate: row.candidate,
        problem: row.unit,
        generator: row.generator,
        split: fold.split,
        compiled: row.compiled,
        correct: row.correct,
        pCompiled,
        pCorrect,
        fold: fold.fold,
      },
      compiled: { model: pCompiled, ...others('compiled') },
      correct: { model: pCorrect, built: row.compiled === false ? 0 : pGivenBuilt, ...others('correct') },
      logRuntimeMs: logRuntimeMs?.[index] ?? null,
    };
  });
}

function headOf({ heldOut }, name) {
  const truths = heldOut.rows.map((row) => rows[row][name] === true);
  return { curve: fitCurve(heldOut.scores, truths), basis: 'out-of-fold', rows: truths.length };
}

/** The kernels that the problem prior counts: of the same problem, else of the same level. */
function alike(learned, row) {
  const same = learned.filter((one) => one.unit === row.unit);
  return same.length > 0 ? same : learned.filter((one) => one.level === row.level);
}

function shareOf(among, name) {
  const known = among.filter((one) => one[name] !== null);
  return known.length === 0 ? 0.5 : known.filter((one) => one[name]).length / known.length;
}

function report(all, folds) {
  const tables = {};
  for (const split of ['problem', 'generator']) {
    const those = all.filter((one) => one.public.split === split);
    for (const head of ['compiled', 'correct']) {
      const known = those.filter((one) => one.row[head] !== null);
      tables[`${split}-disjoint ${head}`] = {
        ...measure(known, head, 'model'),
        baselines: Object.fromEntries(['majority', 'prior', 'tfidf'].map((name) => [name, measure(known, head, name)])),
        byGenerator: Object.fromEntries(
          [...new Set(known.map((one) => one.row.generator))]
            .sort((a, b) => a.localeCompare(b))
            .map((name) => [
              name,
              measure(
                known.filter((one) => one.row.generator === name),
                head,
                'model',
              ),
            ]),
        ),
      };
    }
    const answered = those.filter((one) => one.row.correct !== null);
    tables[`${split}-disjoint correct, build at hand`] = measure(answered, 'correct', 'built');
    const asPublished = those.map((one) => ({ ...one, row: { ...one.row, compiled: one.row.compiled ?? false } }));
    tables[`${split}-disjoint compiled, CUDA faults counted as not compiled`] = measure(
      asPublished,
      'compiled',
      'model',
    );
    tables[`${split}-disjoint runtime`] = runtimes(those);
  }
  tables['problem-disjoint speed-up'] = speedups(folds);
  return { tables, buildFirst: buildFirst() };
}

/** How often kval's own build says what was published, on the judged kernels that were built here. */
function buildFirst() {
  const judged = rows.filter((row) => row.split === 'test' && row.compiled !== null && row.speedup === null);
  const agreed = (published) => {
    const both = judged.filter((row) => row.compiled === published && row.built !== null);
    return { kernels: both.length, agreed: both.filter((row) => row.built === published).length };
  };
  const [compiled, failed] = [agreed(true), agreed(false)];
  const among = (published) => judged.filter((row) => row.compiled === published).length / judged.length;
  return {
    published: judged.length,
    compiled,
    failed,
    // Failures were built first, so each class counts by its share of all judged kernels.
    agreement: (among(true) * compiled.agreed) / compiled.kernels + (among(false) * failed.agreed) / failed.kernels,
    disagreements: judged
      .filter((row) => row.built !== null && row.built !== row.compiled)
      .map(({ candidate, generator, unit, built }) => ({ candidate, generator, problem: unit, built })),
  };
}

function measure(those, head, who) {
  const judged = those.map((one) => ({ truth: one.row[head], probability: one[head][who] }));
  const count = confusionCounter(judged);
  const [accuracy, f1] = clusteredBootstraps(
    those.map((one) => one.row.unit),
    (weights) => {
      const confusion = count(weights);
      return [accuracyOf(confusion), f1Of(confusion)];
    },
    { seed: 1 },
  );
  const confusion = count();
  return {
    rows: judged.length,
    positives: judged.filter(({ truth }) => truth).length,
    accuracy: accuracyOf(confusion),
    accuracyInterval: accuracy ?? null,
    f1: f1Of(confusion),
    f1Interval: f1 ?? null,
    balancedAccuracy: balancedAccuracyOf(confusion),
    precision: precisionOf(confusion),
    recall: recallOf(confusion),
    auc: rocAucOf(judged),
    brier: lossesOf(judged).brier,
  };
}

/** Of correct, timed kernels; nobody published the time of the reference beside them, so none is given to the model. */
function runtimes(those) {
  const timed = those.filter((one) => one.row.runtimeMs !== null && one.logRuntimeMs !== null);
  if (timed.length === 0) return null;
  const points = timed.map(({ row, logRuntimeMs: [low, median, high] }) => ({
    unit: row.unit,
    truth: Math.log(row.runtimeMs),
    low,
    median,
    high,
  }));
  const middle = medianOf(points.map(({ truth }) => truth));
  const within = (guess) => points.filter((one) => Math.abs(guess(one) - one.truth) <= Math.LN2).length / points.length;
  const taus = [...groupsOf(points)]
    .filter((group) => group.length > 1)
    .map((group) =>
      kendallTauBOf(
        group.map(({ median }) => median),
        group.map(({ truth }) => truth),
      ),
    )
    .filter((tau) => tau !== null);
  return {
    rows: points.length,
    withinTwofold: within(({ median }) => median),
    withinTwofoldOfTheMedianKernel: within(() => middle),
    medianAbsoluteErrorMs: medianOf(points.map((one) => Math.abs(Math.exp(one.median) - Math.exp(one.truth)))),
    medianRelativeError: medianOf(points.map((one) => Math.abs(Math.exp(one.median - one.truth) - 1))),
    inInterval: points.filter((one) => one.low <= one.truth && one.truth <= one.high).length / points.length,
    kendallTau: kendallTauBOf(
      points.map(({ median }) => median),
      points.map(({ truth }) => truth),
    ),
    kendallTauWithinProblem: { problems: taus.length, mean: averageOf(taus) },
  };
}

/** Of CUDA-L1's kernels, as published for several GPUs. Where the reference's time is known, a speed-up is a runtime. */
function speedups(folds) {
  const points = folds
    .filter((fold) => fold.split === 'problem' && fold.speedup !== null)
    .flatMap(({ speedup }) => speedup.rows.map((at, index) => ({ row: rows[at], log: speedup.logs[index] })));
  if (points.length === 0) return null;
  const middle = medianOf(points.map(({ row }) => Math.log(row.speedup)));
  const within = (guess) =>
    points.filter((one) => Math.abs(guess(one) - Math.log(one.row.speedup)) <= Math.LN2).length / points.length;
  return {
    rows: points.length,
    kernels: new Set(points.map(({ row }) => row.candidate)).size,
    withinTwofold: within(({ log }) => log[1]),
    withinTwofoldOfTheMedianKernel: within(() => middle),
    inInterval:
      points.filter(({ row, log }) => log[0] <= Math.log(row.speedup) && Math.log(row.speedup) <= log[2]).length /
      points.length,
    kendallTau: kendallTauBOf(
      points.map(({ log }) => log[1]),
      points.map(({ row }) => row.speedup),
    ),
  };
}

function groupsOf(points) {
  const groups = new Map();
  for (const point of points) groups.set(point.unit, [...(groups.get(point.unit) ?? []), point]);
  return groups.values();
}

function countRows() {
  const judged = rows.filter((row) => row.split === 'test');
  const learned = rows.filter((row) => row.split === 'train');
  return {
    judged: judged.length,
    judgedCompiled: judged.filter((row) => row.compiled !== null).length,
    learnedFromOnly: learned.filter((row) => row.compiled !== null).length,
    builtByKval: learned.filter((row) => row.built !== null).length,
  };
}

function linesOf(path) {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

function print({ rows: counted, tables, buildFirst: built }) {
  console.log(JSON.stringify(counted));
  const number = (value) => (value === null || value === undefined ? '-' : value.toFixed(3)).padStart(7);
  const range = (interval) =>
    (interval === null ? '' : `${interval.low.toFixed(3)}-${interval.high.toFixed(3)}`).padStart(13);
  const line = (name, one) =>
    `${name.padEnd(34)}${String(one.rows).padStart(5)}${String(one.positives).padStart(5)}${number(one.accuracy)}${range(one.accuracyInterval)}${number(one.f1)}${range(one.f1Interval)}${number(one.balancedAccuracy)}${number(one.precision)}${number(one.recall)}${number(one.auc)}${number(one.brier)}`;
  console.log(
    `${''.padEnd(34)}${' rows  pos'}${'    acc'}${'95%'.padStart(13)}${'     F1'}${'95%'.padStart(13)}  balan  preci recall    AUC  Brier`,
  );
  for (const [name, one] of Object.entries(tables)) {
    if (/runtime$|speed-up$/.test(name)) console.log(`${name}: ${JSON.stringify(one)}`);
    else {
      console.log(line(name.slice(0, 34), one));
      for (const [who, those] of Object.entries(one.baselines ?? {})) console.log(line(`    ${who}`, those));
      for (const [who, those] of Object.entries(one.byGenerator ?? {})) console.log(line(`  ${who}`, those));
    }
  }
  console.log(`build-first, kval's own build against what was published: ${JSON.stringify(built)}`);
}

/** What a label means here is said in models/embedded/README.md; `split: 'test'` marks rows that are judged. */
async function corporaRows(folder) {
  const official = new Map(
    (await readProblems(join(folder, 'kernelbench-problems.jsonl'))).items.map((one) => [one.id, one]),
  );
  const measured = linesOf(join(config.root, 'bench', 'results', 'embedded-builds.jsonl'));
  const builds = new Map(measured.map((one) => [one.candidate, one.built]));
  const rows = [];
  const seen = new Set();
  for (const corpus of ['techno', 'hzeng', 'cuda-l1']) {
    for (const one of (await readCandidates(join(folder, `candidates-${corpus}.jsonl`))).items) {
      const { candidate, published, backend, hasCudaKernel } = one;
      const problem = one.problem ?? official.get(candidate.problemId);
      const cuda = (backend === null || backend === 'cuda') && hasCudaKernel !== false;
      if (problem === undefined || !cuda || seen.has(candidate.hash)) continue;
      seen.add(candidate.hash);
      const built = builds.get(candidate.hash) ?? null;
      const judged = judgedKinds.has(published?.kind);
      const label = judged
        ? { compiled: published.kind === 'cuda-fault' ? null : published.compiled, correct: published.correct }
        : { compiled: published?.compiled ?? built, correct: null };
      const row = {
        candidate: candidate.hash,
        corpus,
        generator: candidate.origin.generator,
        level: problem.level,
        built,
        ownLabel: !judged && (published?.compiled ?? null) === null && built !== null,
        speedup: null,
        split: judged ? 'test' : 'train',
        unit: problemUnit(problem.id),
        ...label,
        runtimeMs: published?.correct === true ? published.runtimeMs : null,
        text: {
          problem: problem.source,
          level: problem.level,
          candidate: candidate.source,
          language: candidate.language,
          device: published?.gpu ?? null,
          referenceRuntimeMs: null,
        },
      };
      rows.push(row);
      if (corpus === 'cuda-l1') rows.push(...speedupRows(row, published?.raw?.speedup ?? {}));
    }
  }
  return rows;
}

/** One row for each GPU that CUDA-L1 gives a speed-up for; they teach nothing else, since that kernel has its row. */
function speedupRows(row, published) {
  return Object.entries(published)
    .filter(([, speedup]) => speedup > 0)
    .map(([device, speedup]) => ({
      ...row,
      compiled: null,
      built: null,
      speedup,
      text: { ...row.text, device },
    }));
}

/** Trains on everything, calibrates on held-out scores, and writes the folder that ships. */
async function ship({ tables }, folder) {
  const learned = rows.map((row) => ({ ...row, split: 'train' }));
  const id = sha256(
    ...learned.map(({ candidate, compiled, correct, runtimeMs, speedup }) =>
      JSON.stringify([candidate, compiled, correct, runtimeMs, speedup]),
    ),
  ).slice(0, 16);
  const known = learned.filter((row) => row.compiled !== null || row.correct !== null);
  await inDraft(folder, async (draft) => {
    const { model, bytes, heldOut } = await fitEmbedded(learned, learned.length, id, draft, {
      python: config.python,
      environment: { ...childEnvironment(config), OMP_NUM_THREADS: '1' },
      seed: Number(options.seed),
      onProgress: ({ stage, done, total }) => console.log(`${stage} ${done}/${total}`),
    });
    const none = new Scored();
    const calibration = makeCalibration(model.id, {
      compiled: calibrateHead(none, heldOut.compiled),
      correct: heldOut.correct === null ? null : calibrateHead(none, heldOut.correct),
    });
    await writeCard(draft, calibration, {
      format: 'kval-model-card',
      engine: 'embedded',
      model: model.id,
      calibration: calibration.id,
      kval: JSON.parse(readFileSync(join(config.root, 'package.json'), 'utf8')).version,
      command: 'node bench/embedded.mjs --ship models/embedded',
      dataset: {
        id,
        split: 'problem',
        seed: Number(options.seed),
        labels: 'any',
        rows: { train: known.length, validation: 0, test: 0 },
        sources: sourcesOf(known),
      },
      heads: cardHeads(model, calibration),
      bytes,
      metrics: ['problem', 'generator'].map((split) => ({
        split: `cross-validation, ${split}-disjoint`,
        compiled: cardMetrics(tables[`${split}-disjoint compiled`]),
        correct: cardMetrics(tables[`${split}-disjoint correct`]),
        runtime: cardRuntime(tables[`${split}-disjoint runtime`]),
      })),
    });
    appendFileSync(
      join(draft, 'README.md'),
      `\n${readFileSync(join(config.modelsFolder, 'embedded-notes.md'), 'utf8')}`,
    );
  });
}

function sourcesOf(known) {
  const counts = new Map();
  for (const { ownLabel: own, corpus, generator } of known) {
    const set = corpus === 'cuda-l1' ? 'cuda-l1' : 'kernelbench';
    const key = JSON.stringify([own ? 'harness' : 'published', own ? 'built' : 'published', set, generator]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([key, count]) => {
      const [labels, fidelity, set, generator] = JSON.parse(key);
      return { labels, fidelity, set, generator, rows: count };
    });
}

function cardMetrics({ rows: count, positives, baselines, ...figures }) {
  const { accuracy, precision, recall, f1, balancedAccuracy, auc, brier } = figures;
  return {
    rows: count,
    positives,
    accuracy,
    precision,
    recall,
    f1,
    balancedAccuracy,
    auc,
    brier,
    majorityAccuracy: baselines.majority.accuracy,
    priorAccuracy: baselines.prior.accuracy,
  };
}

function cardRuntime(measured) {
  if (measured === null) return null;
  const { rows: count, medianAbsoluteErrorMs, medianRelativeError, withinTwofold, inInterval } = measured;
  return { rows: count, medianAbsoluteErrorMs, medianRelativeError, withinTwofold, inInterval };
}
