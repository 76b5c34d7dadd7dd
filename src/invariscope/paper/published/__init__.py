"""The paper's published record (Zenodo 15491763), read into a store.

The files and what is taken of them, as the published code writes them:

- `unified_references.pkl`: `reference → network (`_r`: robust) → generator → layer → "[unit]" →
  seed → {code, fitness}`: the MEIs;
- `…/data.pkl` of a set of searches: lists with one entry a run: `net_sbj`, `robust`, `lower_ly`,
  `upper_ly`, `low_target`, `high_target`, `task_signature`, `rnd_seed`, `reference_info`,
  `reference_activ`, `p1_front`, `p1_codes`, `layer_scores`, `nat_thresh`;
- `unified_nat_recs.pkl`: `network → variant → layer → {data (units, images), labels}`;
- a CSV with `participant_accuracy`: people's answers, a row a condition.
"""
