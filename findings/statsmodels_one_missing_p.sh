#!/usr/bin/env bash
# statsmodels 0.15.0: one missing p value makes every corrected one missing, or counts as a test.

# Guess: multipletests refuses a NaN (scipy.stats.false_discovery_control does) or leaves it out.
# Seen: "fdr_bh" gives NaN for all corrected values while its yes/no column still says yes for two of
# them; "holm" and "bonferroni" count the missing test, so that the other corrected values are
# larger than without it. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet statsmodels==0.15.0 scipy==1.17.1 pandas==3.1.1 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

print("statsmodels", version("statsmodels"), "scipy", version("scipy"))
p = np.array([0.001, 0.01, np.nan, 0.04, 0.3])
known = p[~np.isnan(p)]
for method in ("fdr_bh", "holm", "bonferroni"):
    reject, corrected = multipletests(p, method=method)[:2]
    alone = multipletests(known, method=method)[1]
    print(method, "rejects", reject, "corrected", corrected, "without the missing one", alone)
reject, corrected = multipletests(p, method="fdr_bh")[:2]
assert np.isnan(corrected).all() and reject.tolist() == [True, True, False, False, False]
holm = multipletests(p, method="holm")[1]
assert holm[0] == 0.005 and multipletests(known, method="holm")[1][0] == 0.004
try:
    false_discovery_control(p)
except ValueError as error:
    print("scipy:", error)
else:
    raise SystemExit("scipy takes a NaN now")
PYTHON
