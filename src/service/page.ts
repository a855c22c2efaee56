import { pageStyle } from '../report/page-style.js';

/** The page brings all that it needs, and asks this service alone. */
export const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:";

/** What the service does at this moment: asks `v1/state`, relative to itself, so that a token in the path stays there. */
export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>kval service</title>
<link rel="icon" href="data:,">
<style>${pageStyle}
.figures .big { font-size: 1.7rem; }
.ok { color: var(--s2); } .bad { color: var(--s1); }
</style>
</head>
<body>
<header>
<p class="brand">kval service</p>
<h1 id="title">Judging kernels</h1>
<p id="said" role="status">asking the service</p>
</header>
<main>
<ul class="figures">
<li><span class="name">Mode</span><span class="big" id="mode">&ndash;</span><span class="more" id="validator"></span></li>
<li><span class="name">Kernels pending</span><span class="big" id="pending">&ndash;</span><span class="more" id="jobs"></span></li>
<li><span class="name">Verdicts a second, last minute</span><span class="big" id="rate">&ndash;</span><span class="more" id="verdicts"></span></li>
<li><span class="name">Latency, median</span><span class="big" id="latency">&ndash;</span><span class="more" id="tail"></span></li>
<li><span class="name">Simulator agrees with harness</span><span class="big" id="agreement">&ndash;</span><span class="more" id="audits"></span></li>
</ul>
<h2>Recent verdicts</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Recent verdicts"><table>
<thead><tr><th scope="col">Problem</th><th scope="col">Verdict</th><th scope="col">Fidelity</th><th scope="col" class="num">Reward</th><th scope="col" class="num">Milliseconds</th><th scope="col">At</th></tr></thead>
<tbody id="recent"></tbody>
</table></div>
<p class="note" id="none">No kernel has been judged since the service was started.</p>
</main>
<footer>Counted since the service was started; every two seconds anew.</footer>
<script>
const put = (id, text) => { document.getElementById(id).textContent = text; };
const percent = (part, whole) => (100 * part / whole).toFixed(1) + '%';
const ms = (value) => value < 10 ? value.toFixed(2) : value < 1000 ? value.toFixed(0) : (value / 1000).toFixed(1) + ' s';
function show(state) {
  put('mode', state.mode);
  put('validator', state.validator);
  put('pending', state.pending);
  put('jobs', state.jobs.queued + ' jobs queued, ' + state.jobs.running + ' running');
  put('rate', state.perSecond.toFixed(state.perSecond < 10 ? 2 : 0));
  put('verdicts', state.verdicts + ' in all, ' + state.cached + ' of them remembered');
  put('latency', state.latencyMs === null ? '\\u2013' : ms(state.latencyMs.p50) + (state.latencyMs.p50 < 1000 ? ' ms' : ''));
  put('tail', state.latencyMs === null ? '' : '99th percentile ' + ms(state.latencyMs.p99) + (state.latencyMs.p99 < 1000 ? ' ms' : ''));
  const audits = state.audits;
  put('agreement', audits.compared === 0 ? 'no audits' : percent(audits.correctAgreed, audits.compared));
  document.getElementById('agreement').classList.toggle('absent', audits.compared === 0);
  put('audits', audits.compared === 0 ? 'a hybrid with an audit share compares both'
    : 'correct, of ' + audits.compared + ' audited; compiled ' + percent(audits.compiledAgreed, audits.compared));
  document.getElementById('none').hidden = state.recent.length > 0;
  document.getElementById('recent').replaceChildren(...state.recent.map((one) => {
    const row = document.createElement('tr');
    const cell = (text, kind, tag) => {
      const made = document.createElement(tag || 'td');
      made.textContent = text;
      if (kind) made.className = kind;
      row.append(made);
      return made;
    };
    cell(one.problem, '', 'th').scope = 'row';
    cell(one.status + (one.cached ? ', remembered' : ''), one.status === 'correct' ? 'ok' : one.status === 'infra-error' ? 'bad' : '');
    cell(one.fidelity);
    cell(one.reward.toFixed(2), 'num');
    cell(one.ms.toFixed(one.ms < 10 ? 2 : 0), 'num');
    cell(new Date(one.at).toLocaleTimeString());
    return row;
  }));
  put('said', (state.ready ? 'ready' : 'not ready: its parts have not answered yet') + ', ' + new Date().toLocaleTimeString());
}
async function ask() {
  try {
    const answer = await fetch('v1/state', { cache: 'no-store' });
    if (answer.ok) show(await answer.json());
    else put('said', answer.status === 401 ? 'The service wants its token: open /t/TOKEN/' : 'the service answered ' + answer.status);
  } catch {
    put('said', 'the service does not answer');
  }
  setTimeout(ask, 2000);
}
ask();
</script>
</body>
</html>
`;
