"""What runs teach: concepts, procedures, summaries of persons, artifacts and long jobs."""

from __future__ import annotations

from treadle.memory.learning.artifact import Artifact, ArtifactRange
from treadle.memory.learning.artifacts import Artifacts
from treadle.memory.learning.concept import Concept, ConceptKind, FoundConcept
from treadle.memory.learning.concepts import Concepts
from treadle.memory.learning.distiller import Distilled, Distiller
from treadle.memory.learning.instructions import Instruction, Instructions
from treadle.memory.learning.learning import Learning
from treadle.memory.learning.outcomes import Outcomes
from treadle.memory.learning.people import People, Summary
from treadle.memory.learning.procedure import Example, Parameter, Procedure, Reuse
from treadle.memory.learning.procedures import Procedures
from treadle.memory.learning.run_record import RunRecord, StepRecord

__all__ = [
    "Artifact",
    "ArtifactRange",
    "Artifacts",
    "Concept",
    "ConceptKind",
    "Concepts",
    "Distilled",
    "Distiller",
    "Example",
    "FoundConcept",
    "Instruction",
    "Instructions",
    "Learning",
    "Outcomes",
    "Parameter",
    "People",
    "Procedure",
    "Procedures",
    "Reuse",
    "RunRecord",
    "StepRecord",
    "Summary",
]
