"""The question and the method of each analysis, in plain words."""

from typing import NamedTuple


class AnalysisText(NamedTuple):
    """An analysis for a reader who has not read the papers.

    Attributes:
        title: the question.
        how: how it was measured.
    """

    title: str
    how: str


EXPLAINED = {
    "distance": AnalysisText(
        "How far can an image go, and at what cost?",
        "Each run gives one image: the farthest that still drives the unit above its strongest "
        "natural image, or, when the unit is to be silenced, the nearest below its weakest. "
        "Pixel distance is Euclidean; activity lost is in percent of the reference's. Points are "
        "means over units of each unit's mean, bars their standard deviation. Affine copies are "
        "the reference turned, shifted or shrunk on black.",
    ),
    "distance_of_tasks": AnalysisText(
        "Do silencing images lose more, and lie nearer, than invariant ones of the same units?",
        "Of each unit with both: what its silencing images lose less what its invariant ones lose "
        "(percent of the reference's activity), and how much farther the invariant ones lie.",
    ),
    "losses": AnalysisText(
        "How far at a fixed loss?",
        "Along each run's whole front, the farthest member that loses at most 10, 25 or 50 % of "
        "the reference's activity, beside the member that the paper shows and ours.",
    ),
    "controls": AnalysisText(
        "Do other images lie as far and keep as much?",
        "Of affine copies, of copies with other contrast and brightness, of a unit's other MEIs, "
        "of the strongest photos of its class and of random images the farthest that loses at most "
        "10, 25 or 50 % of the reference's activity is held against the front's farthest member "
        "that loses no more, paired by unit.",
    ),
    "galleries": AnalysisText(
        "Which images were found?",
        "The images of every unit stand above; the table says which run and which member of its "
        "front each of the example images is.",
    ),
    "separability": AnalysisText(
        "Can the stretched stages be told apart from the images alone?",
        "A support vector classifier (RBF kernel, C = 1) names the stretched stage from the first "
        "principal components of the images, in five folds; components are fitted inside each "
        "fold. Grouped folds keep a unit's images together, so that no unit is known beforehand.",
    ),
    "people": AnalysisText(
        "What do people see in the images?",
        "People chose among the study's classes for each image. Intervals are 95 %; agreement "
        "with networks is a correlation over conditions.",
    ),
    "observers": AnalysisText(
        "What do other networks see in the images?",
        "Each observer classified every image; accuracy is the share in which it named the class "
        "of the unit, among the study's classes. A network that looks at its own images is marked.",
    ),
    "naturalness": AnalysisText(
        "Is the activity one that natural images reach?",
        "Activity over the unit's largest for natural images, and its percentile among theirs.",
    ),
    "layers": AnalysisText(
        "How far apart are the images inside a network?",
        "Euclidean distances at each stage of an observer, over those of photos of one class.",
    ),
    "convergence": AnalysisText(
        "How many searches reached their goal?",
        "The share of all runs whose stopping rule fired, with Wilson's 95 % interval.",
    ),
    "dimension": AnalysisText(
        "How many directions do invariant images leave free?",
        "The intrinsic dimension of a unit's images from independent runs (two nearest "
        "neighbours; participation ratio), against how many images are taken.",
    ),
    "gradients": AnalysisText(
        "Would gradients have found the same?",
        "Gradient searches on pixels and on codes, with the population, generations and stopping "
        "rule of the search, of which the same member is shown.",
    ),
    "subsets": AnalysisText(
        "Does stretching part of a stage suffice?",
        "Searches that stretch random subsets of a stage, measured at the whole stage.",
    ),
    "acceptance": AnalysisText(
        "Whose invariances are whose?",
        "Every image is shown to every network, and the unit of its class answers: 0 is that "
        "unit's mean for random images of the generator, 1 its mean for the references. A dot "
        "marks activity above that for random images (units' signs turned; 5 % false discoveries "
        "over the matrix). Neighbours are alike.",
    ),
    "coverage": AnalysisText(
        "How much of what the unit ignores does a search reach?",
        "Images beyond the natural maximum are sorted into 125 cells: five levels of mean "
        "brightness, five tints, and the brightest quarter of the image or none. Cells that one "
        "run and several restarts reach, against the images shown.",
    ),
    "displacement": AnalysisText(
        "Do images go where the unit ignores known transformations?",
        "The cosine between what changed in an invariant image and what each of twelve "
        "transformations would have changed, correlated with the unit's invariance coefficients "
        "for them; the transformations' means are taken off, the interval is over units.",
    ),
    "paths": AnalysisText(
        "Is activity kept between two invariant images?",
        "Activity along straight and spherical paths between the codes of a unit's images.",
    ),
    "fronts": AnalysisText(
        "The whole fronts",
        "Every member of the fronts of the example units; the fronts of all units can be explored "
        "above.",
    ),
    "appearance": AnalysisText(
        "What changed in the images?",
        "Statistics of light, colour, spectrum, texture and layout; 1 is as different from the "
        "reference as another unit's reference is. Cohen's d is over units.",
    ),
}
