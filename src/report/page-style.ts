/** The look of the HTML report: one column, light or dark as the reader's machine is, plain ink in print. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1b1f24; --soft: #565d66; --line: #d9dce0; --faint: #edeff1;
  --accent: #0b5cad; --warn: #8a4b00; --warn-paper: #fff6e6;
  --s0: #0b6bcb; --s1: #c2410c; --s2: #0f7b5f; --s3: #8b3fb8; --s4: #a3681a; --s5: #b8246a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --card: #1c2025; --ink: #e8eaed; --soft: #a9b0b9; --line: #3a4048; --faint: #272c33;
    --accent: #7db8f5; --warn: #ffc876; --warn-paper: #33270f;
    --s0: #62adf5; --s1: #ff9466; --s2: #4fd1a5; --s3: #cf9bf0; --s4: #e3b25e; --s5: #f58cb8;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main, header, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
.brand { margin: 0; color: var(--soft); font-size: .8rem; font-weight: 600; letter-spacing: .08em; text-transform: uppercase; }
h1 { margin: .2rem 0 1rem; font-size: clamp(1.6rem, 4.5vw, 2.3rem); line-height: 1.2; letter-spacing: -.015em; }
h2 { margin: 3.25rem 0 .75rem; padding-top: 1rem; border-top: 2px solid var(--ink); font-size: 1.4rem; line-height: 1.25; }
h3 { margin: 2rem 0 .5rem; font-size: 1.02rem; }
p { margin: .5rem 0; max-width: 46rem; }
h1, p, li { overflow-wrap: anywhere; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.lead { font-size: 1.12rem; max-width: 50rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1.2rem 0 0; padding: .6rem 0; list-style: none; border-block: 1px solid var(--line); font-size: .93rem; }
/* A row that goes on with the one above: its name is for those who hear the page. */
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .4rem .8rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15.5rem), 1fr)); gap: .9rem; margin: 1.5rem 0; padding: 0; list-style: none; }
.figures li { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1.05rem 1rem; min-width: 0; overflow-wrap: anywhere; }
.figures .name { display: block; color: var(--soft); font-size: .88rem; }
.figures .big { display: block; margin: .1rem 0 .15rem; font-size: 2rem; font-weight: 650; line-height: 1.15; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.figures .big.absent { font-size: 1.2rem; color: var(--soft); line-height: 1.9; }
.figures .more { display: block; font-size: .88rem; line-height: 1.4; color: var(--soft); }
.say { margin: 1rem 0; padding-left: 1.15rem; max-width: 50rem; } .say li { margin: .3rem 0; }
.absence { background: var(--warn-paper); border-left: 4px solid var(--warn); padding: .75rem 1rem; max-width: 50rem; border-radius: 0 6px 6px 0; }
.scroll { position: relative; overflow-x: auto; margin: .4rem 0 .3rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
* + .scroll { margin-top: 1.1rem; } .wide .interval { display: block; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 650; padding: .75rem .9rem .4rem; font-size: 1rem; }
th, td { padding: .42rem .9rem; text-align: left; vertical-align: baseline; border-top: 1px solid var(--faint); white-space: nowrap; }
thead th { font-weight: 600; font-size: .82rem; color: var(--soft); white-space: normal; vertical-align: bottom; border-top: 0; border-bottom: 1px solid var(--line); min-width: 4.5rem; }
tbody th { font-weight: 500; white-space: normal; overflow-wrap: anywhere; min-width: 8rem; max-width: 18rem; }
.again th, .again td { border-top: 0; padding-top: 0; }
.num { text-align: right; }
.simulator th, .simulator td { font-weight: 650; }
.baseline th, .baseline td, .reference th, .reference td { color: var(--soft); }
.reference th, .reference td { font-style: italic; border-top: 1px solid var(--line); }
.interval { font-weight: 400; color: var(--soft); font-size: .86em; }
.note { margin: .25rem 0; font-size: .86rem; color: var(--soft); max-width: 58rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1rem; margin: 1rem 0; }
.plots > figure:only-child { max-width: 36rem; }
.plots.small { grid-template-columns: repeat(auto-fit, minmax(min(100%, 16rem), 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem .8rem .7rem; min-width: 0; }
figcaption { font-size: .88rem; color: var(--soft); line-height: 1.45; margin-top: .35rem; }
figcaption b { color: var(--ink); }
figure .what { margin: 0 0 .4rem; font-weight: 650; font-size: .98rem; }
.plot { display: block; width: 100%; height: auto; max-width: 30rem; margin: 0 auto; }
.plot text { font: 11.5px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
.plot .title { font-size: 12px; } .plot .value, .plot .heading { fill: var(--ink); font-weight: 600; } .plot .heading { font-size: 13px; } .plot .tiny { font-size: 9.5px; }
.grid { stroke: var(--faint); } .axis { stroke: var(--soft); }
.ideal { stroke: var(--soft); stroke-dasharray: 4 4; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; } .whisker { stroke-width: 3; stroke-linecap: round; opacity: .55; } .whisker.plain { stroke: var(--soft); }
.mark { stroke: var(--card); stroke-width: 1; } .hollow { fill: var(--card); stroke: var(--soft); stroke-width: 2; }
.band { fill: var(--soft); opacity: .12; } .cloud .mark { stroke: none; fill-opacity: .5; }
.bar { opacity: .75; }
${[0, 1, 2, 3, 4, 5].map((s) => `.curve.s${s}, .whisker.s${s} { stroke: var(--s${s}); } .mark.s${s}, .bar.s${s} { fill: var(--s${s}); }`).join('\n')}
.curve.s1 { stroke-dasharray: 7 3; } .curve.s2 { stroke-dasharray: 2 3; } .curve.s3 { stroke-dasharray: 9 3 2 3; } .curve.s4 { stroke-dasharray: 12 4; } .curve.s5 { stroke-dasharray: 4 2 1 2; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.3rem; margin: .8rem 0 -.2rem; padding: 0; list-style: none; font-size: .9rem; }
.legend svg { vertical-align: -1px; margin-right: .35rem; }
.matrices { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
.matrix { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .2rem .8rem .8rem; max-width: 100%; }
.matrix table { width: auto; } .matrix caption { padding-left: 0; }
.matrix td { text-align: center; min-width: 6.2rem; padding: .7rem .5rem; border: 2px solid var(--card); background: color-mix(in srgb, var(--tone) calc(var(--share) * 38%), var(--card)); font-size: 1.05rem; font-weight: 600; }
.matrix td small { display: block; font-weight: 400; color: var(--ink); font-size: .8rem; }
.matrix .right { --tone: var(--s0); } .matrix .wrong { --tone: var(--s1); }
.matrix thead th { text-align: center; border: 0; } .matrix tbody th { border: 0; color: var(--soft); font-size: .82rem; white-space: normal; max-width: 6.5rem; }
details { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: .55rem 0; }
summary { padding: .65rem 1rem; cursor: pointer; line-height: 1.45; overflow-wrap: anywhere; } summary b { font-weight: 650; }
summary .truth { color: var(--soft); display: block; font-size: .9rem; padding-left: 1.05rem; }
details .inside { padding: 0 1rem .9rem; }
pre { overflow: auto; max-height: 38rem; margin: .5rem 0 0; padding: .8rem 1rem; background: var(--faint); border-radius: 6px; font: .8rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; tab-size: 4; }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .4rem 1.4rem; margin: .8rem 0; font-size: .95rem; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; max-width: 58rem; }
footer { margin-top: 3rem; padding-bottom: 2.5rem; color: var(--soft); font-size: .86rem; }
@media (max-width: 34rem) {
  main, header, footer { padding-inline: .9rem; } header { padding-top: 1.4rem; }
  th, td { padding-inline: .6rem; } dl { grid-template-columns: 1fr; gap: .05rem; } dd { margin-bottom: .6rem; }
  .scroll tbody th { position: sticky; left: 0; background: var(--card); min-width: 6.8rem; max-width: 9.5rem; white-space: normal; overflow-wrap: anywhere; hyphens: auto; }
  .interval { display: block; } .figures { grid-template-columns: 1fr 1fr; gap: .6rem; } .figures li { padding: .7rem .8rem; } .figures .big { font-size: 1.6rem; }
  .scroll tbody th + td { padding-left: .7rem; }
  .matrix td { min-width: 5rem; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --faint: #e8e8e8; --accent: #000; --warn: #7a4300; --warn-paper: #fff;
    --s0: #0b6bcb; --s1: #c2410c; --s2: #0f7b5f; --s3: #8b3fb8; --s4: #a3681a; --s5: #b8246a; }
  @page { margin: 14mm; }
  body { font-size: 10pt; } main, header, footer { max-width: none; padding: 0; } nav, .skip { display: none; }
  figure, .scroll, .matrix, .figures li, tr, summary { break-inside: avoid; } figcaption, .note { font-size: 8.5pt; } h2, h3, caption { break-after: avoid; }
  .scroll { overflow: visible; border: 0; } table { font-size: 8pt; } th, td { padding: .25rem .4rem; white-space: normal; } thead th { min-width: 0; hyphens: auto; } .wide table { font-size: 7pt; } .wide th, .wide td { padding-inline: .22rem; } tbody th { min-width: 0; } .interval { display: block; }
  .plots { grid-template-columns: repeat(2, 1fr); } .matrix td, .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  pre { white-space: pre-wrap; max-height: none; }
}
`;
