"""How the page of a run looks, in light and in dark."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --text: #1d2127; --dim: #667080; --line: #c5ccd6; --box: #f4f6f9;
  --planned: #9aa4b2; --running: #1c7ed6; --succeeded: #2b8a3e; --failed: #c92a2a;
  --skipped: #b08900; --cancelled: #b35c00; --waiting: #8b3fb5; --model: #5c7cfa;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171c; --text: #e6e9ee; --dim: #97a1b0; --line: #3a424e; --box: #1d222a;
    --planned: #6b7585; --running: #4dabf7; --succeeded: #51cf66; --failed: #ff6b6b;
    --skipped: #ffd43b; --cancelled: #ffa94d; --waiting: #da77f2; --model: #91a7ff;
  }
}
body { background: var(--ground); color: var(--text); margin: 0;
  font: 14px/1.45 system-ui, sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 16px; }
h1 { font-size: 20px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 24px 0 8px; }
.facts, .note { color: var(--dim); margin: 4px 0; }
.error { color: var(--failed); }
.pending { color: var(--waiting); }
.path, .error, .pending, .note { overflow-wrap: anywhere; }
.scroll { overflow: auto; max-height: 80vh; border: 1px solid var(--line); border-radius: 6px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; max-height: 20em; overflow: auto;
  background: var(--box); padding: 8px; border-radius: 6px; margin: 4px 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 4px 8px;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { position: sticky; top: 0; background: var(--ground); }
tr.critical td:first-child { font-weight: 600; }
svg { display: block; }
svg text { fill: var(--text); font: 12px system-ui, sans-serif; }
svg .small { fill: var(--dim); font-size: 11px; }
svg .box { fill: var(--box); stroke: var(--tone, var(--line)); stroke-width: 1.5; }
svg .critical .box { stroke-width: 3.5; }
svg .critical text { font-weight: 600; }
svg .edge { fill: none; stroke: var(--line); stroke-width: 1.2; }
svg .edge.critical { stroke: var(--text); stroke-width: 2.4; }
svg .tick { stroke: var(--line); stroke-dasharray: 2 4; }
svg .gap { stroke: var(--cancelled); stroke-width: 2; stroke-dasharray: 4 2; }
svg .bar { fill: var(--tone, var(--planned)); fill-opacity: .65; }
svg .critical .bar.run { fill-opacity: 1; stroke: var(--text); }
svg .bar.approval, svg .bar.retry { fill: none; stroke: var(--tone); stroke-dasharray: 3 2; }
.planned { --tone: var(--planned); } .running { --tone: var(--running); }
.succeeded { --tone: var(--succeeded); } .failed { --tone: var(--failed); }
.skipped { --tone: var(--skipped); } .cancelled { --tone: var(--cancelled); }
.waiting { --tone: var(--waiting); } .model { --tone: var(--model); }
td:nth-child(3) { color: var(--tone); white-space: nowrap; }
"""
