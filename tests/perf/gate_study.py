"""False alarms and power of the regression gate, over noise models and over real A/A checks.

    python tests/perf/gate_study.py [--families N] [CHECK…]

CHECK is the folder of a `clustermark check` of equal versions; its stored samples are judged as they are, and resampled
into suites of 50 cases. Prints the Markdown tables of docs/gate.md. The gate that is studied is the one that is
shipped: `core.gate.screen` and `core.gate.decide`.
"""

from __future__ import annotations

import argparse
import datetime
import math
import platform
import time
from pathlib import Path

import numpy as np
from gate_noise import MACHINES, Floats, Pairs, interleaved, lockstep, resampled

from clustermark.core.environment import cpu_facts
from clustermark.core.gate import Decision, Evidence, Rules, confirm_pairs, decide, screen
from clustermark.core.signed_rank import robust_spread

CASES = 50
SLOWDOWNS = (0.05, 0.10, 0.20)


def family(rng: np.random.Generator, pairs: Pairs, rules: Rules, cases: int, planted: float) -> list[Decision]:
    """One check of a suite, its first case slower by `planted`; suspects get fresh pairs, as in a real check."""
    shift = np.zeros((cases, 1))
    shift[0] = math.log1p(planted)
    first = pairs(rng, cases, rules.pairs) + shift
    evidence = [Evidence(str(number), first=tuple(row)) for number, row in enumerate(first)]
    suspects = screen(evidence, rules)
    if suspects:
        fresh = pairs(rng, len(suspects), confirm_pairs(len(suspects), rules)) + shift[suspects]
        for number, row in zip(suspects, fresh, strict=True):
            evidence[number] = Evidence(str(number), first=evidence[number].first, confirm=tuple(row))
    return decide(evidence, rules)


def upper_limit(found: int, trials: int) -> float:
    """95 % upper limit of a probability (Clopper & Pearson), by bisection of the binomial distribution."""
    low, high = found / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        terms = [
            math.exp(
                math.lgamma(trials + 1)
                - math.lgamma(k + 1)
                - math.lgamma(trials - k + 1)
                + k * math.log(middle)
                + (trials - k) * math.log1p(-middle)
            )
            for k in range(found + 1)
        ]
        low, high = (middle, high) if sum(terms) > 0.05 else (low, middle)
    return high


def found_share(rng: np.random.Generator, pairs: Pairs, planted: float, trials: int) -> tuple[float, float]:
    """Shares of planted slowdowns that are found, and that pass as unchanged."""
    verdicts = [family(rng, pairs, Rules(), 1, planted)[0].verdict for _ in range(trials)]
    return verdicts.count("regressed") / trials, verdicts.count("unchanged") / trials


def study(name: str, pairs: Pairs, families: int, seed: int, alike: bool) -> str:
    """One row of the table; `alike` says that all cases have the same noise, and so one detectable slowdown."""
    rng = np.random.default_rng(seed)
    rules = Rules()
    alarms = suspects = inconclusive = unchanged = 0
    detectable = []
    for _ in range(families):
        decisions = family(rng, pairs, rules, CASES, 0.0)
        alarms += any(one.verdict == "regressed" for one in decisions)
        suspects += sum(one.stage == 2 for one in decisions)
        inconclusive += sum(one.verdict == "inconclusive" for one in decisions)
        unchanged += sum(one.verdict == "unchanged" for one in decisions)
        detectable += [one.detectable for one in decisions if one.detectable is not None]
    typical = float(np.median(detectable))
    power = []
    for planted in (*SLOWDOWNS, typical) if alike else SLOWDOWNS:
        found, passed = found_share(rng, pairs, planted, 4 * families)
        power.append(f"{found:.1%}" + (f" ({passed:.1%} passed)" if passed else ""))
    cells = [
        name,
        f"{alarms}/{families} (≤ {upper_limit(alarms, families):.1%})",
        f"{suspects / families / CASES:.1%}",
        f"{unchanged / families / CASES:.0%}",
        f"{inconclusive / families / CASES:.0%}",
        *power[: len(SLOWDOWNS)],
        f"+{typical:.1%}: {power[-1]}" if alike else "–",
    ]
    return "| " + " | ".join(cells) + " |"


def judged(check: Path) -> tuple[str, dict[str, Floats]]:
    """A line on a real A/A check, and its pairs per case."""
    from clustermark.core.check_folder import CheckFolder

    folder = CheckFolder.open(check)
    evidence = folder.evidence()
    decisions = decide(evidence, folder.rules)
    found = {verdict: sum(one.verdict == verdict for one in decisions) for verdict in {d.verdict for d in decisions}}
    noise = sorted(one.noise for one in decisions if one.noise is not None)
    counts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(found.items()))
    line = (
        f"{folder.method}, {len(decisions)} cases: {counts}; "
        f"noise of a pair {noise[0]:.1%} to {noise[-1]:.1%}, median {noise[len(noise) // 2]:.1%}"
    )
    pairs = {}
    for one in evidence:
        if one.timed:
            own = np.array([*one.first, *one.confirm])
            pairs[one.label] = own - np.median(own)
    return line, pairs


def case_rows(measured: dict[str, Floats], trials: int) -> list[str]:
    """Per measured case: noise of a pair, and how often 5 and 10 % are found and pass, resampled from its own pairs."""
    rng = np.random.default_rng(3)
    rows = []
    for label, values in measured.items():
        shares = [found_share(rng, resampled({label: values}), planted, trials) for planted in SLOWDOWNS[:2]]
        cells = [f"{found:.0%} ({passed:.0%} passed)" if passed else f"{found:.0%}" for found, passed in shares]
        rows.append(f"| `{label}` | {robust_spread(values):.1%} | " + " | ".join(cells) + " |")
    return rows


def decision_seconds() -> float:
    """[s] to judge 1,000 cases, a tenth of them suspects with fresh pairs."""
    rng = np.random.default_rng(1)
    pairs = interleaved(MACHINES["shared machine"])
    first, fresh = pairs(rng, 1000, 10), pairs(rng, 1000, 20)
    first[:100] += 0.2
    evidence = [Evidence(str(n), tuple(first[n]), tuple(fresh[n]) if n < 100 else ()) for n in range(1000)]
    begun = time.perf_counter()
    screen(evidence, Rules())
    decide(evidence, Rules())
    return time.perf_counter() - begun


def main() -> None:
    """Print the study."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", type=int, default=500, help="suites of 50 cases per row")
    parser.add_argument("checks", nargs="*", type=Path, help="folders of real A/A checks")
    options = parser.parse_args()
    print(f"Taken on {datetime.date.today()}, {cpu_facts()['model']}, Python {platform.python_version()}.\n")
    print(f"1,000 cases judged in {decision_seconds():.2f} s.\n")
    print(
        "| noise | any false alarm in a suite of 50 (95 % limit) | suspects | unchanged | inconclusive "
        "| finds 5 % | 10 % | 20 % | finds the printed detectable slowdown |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    rows: dict[str, Pairs] = {name: interleaved(machine) for name, machine in MACHINES.items()}
    rows["lockstep on an overloaded machine"] = lockstep(0.033, 0.05, 0.10)
    lines = []
    by_case: dict[str, dict[str, Floats]] = {}
    for check in options.checks:
        line, pairs = judged(check)
        lines.append(f"- {line}")
        if pairs:
            method = line.partition(",")[0]
            rows[f"real A/A, {method}, resampled"] = resampled(pairs)
            by_case[f"real A/A, {method}: case"] = pairs
    for seed, (name, pairs) in enumerate(rows.items()):
        print(study(name, pairs, options.families, seed, not name.startswith("real")), flush=True)
    for title, measured in by_case.items():
        print(f"\n| {title} | noise of a pair | finds 5 % | 10 % |\n|---|--:|--:|--:|")
        print("\n".join(case_rows(measured, options.families)), flush=True)
    if lines:
        print("\nReal A/A checks as they were judged:\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
