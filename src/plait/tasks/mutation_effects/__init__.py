"""Which mutations a protein tolerates: the score of every single substitution, or of the mutants asked for."""

from plait.tasks.mutation_effects.remarks import LOW_CONFIDENCE, LOW_PLDDT
from plait.tasks.mutation_effects.result import PERCENTILE, SENSITIVITY, ScoreResult
from plait.tasks.mutation_effects.scoring import score
from plait.tasks.mutation_effects.tables import COLUMNS
from plait.tasks.mutation_effects.task import Config, MutationEffects

__all__ = [
    "COLUMNS",
    "LOW_CONFIDENCE",
    "LOW_PLDDT",
    "PERCENTILE",
    "SENSITIVITY",
    "Config",
    "MutationEffects",
    "ScoreResult",
    "score",
]
