// Written by `make generated` from the records in device/documents/. Don't change it here.

/**
 * What the page asks the box for.
 */
export type BoxDocument = ReadingDocument | ModelsDocument | SamplesDocument | UnitsDocument;

/**
 * What the box says of a picture. A refused one has no answer, prediction, map, parts or units.
 */
export interface ReadingDocument {
  /**
   * `loupe-reading/1`.
   */
  schema: string;
  /**
   * What the box may be used for.
   */
  notice: string;
  verdict: GateVerdict;
  /**
   * What people are told; null when refused.
   */
  answer: PictureAnswer | null;
  /**
   * Every class, for programs; null when refused.
   */
  prediction: Prediction | null;
  /**
   * Where the evidence for each class lies; null when refused.
   */
  class_map: ClassMap | null;
  /**
   * Parts of a field that speak for a class of concern; null when refused, for a section, and for a model without such classes.
   */
  parts: FieldParts | null;
  /**
   * The units with the largest part; null when refused.
   */
  units: UnitPart[] | null;
  /**
   * All other units; null when refused.
   */
  units_rest: OtherUnits | null;
  /**
   * What the windows of a section gave; null for a field.
   */
  section: SectionSummary | null;
  image: PictureFacts;
  model: ModelIdentity;
  runtime: RuntimeIdentity;
  /**
   * How long each step took, ms.
   */
  timings_ms: {
    [k: string]: number;
  };
  /**
   * Version of Loupe.
   */
  software: string;
  /**
   * What each model of the box said, in the order of the box.
   */
  routing: ModelOpinion[];
}
/**
 * Whether a reading may be given of the picture.
 */
export interface GateVerdict {
  /**
   * The picture is read.
   */
  accepted: boolean;
  /**
   * Accepted, but unusual or foreign in a part.
   */
  caution: boolean;
  /**
   * What is unusual in this picture; null where nothing is.
   */
  caution_words: string | null;
  /**
   * Why the picture is refused; null where it is accepted.
   */
  reason: Refusal | null;
  /**
   * How many times too large (2.0) or small (0.5) structures appear; null where it isn't the reason.
   */
  magnification: number | null;
  /**
   * Where the picture looks foreign; null where the gate doesn't say.
   */
  where: ForeignMap | null;
  /**
   * The gate's questions with their figures.
   */
  questions: GateQuestion[];
}
/**
 * Why a picture is refused, and what to do.
 */
export interface Refusal {
  /**
   * Why, for programs.
   */
  code: string;
  /**
   * Which words of the reason; null where it has none of its own.
   */
  variant: string | null;
  /**
   * Why, in a few words.
   */
  title: string;
  /**
   * What is wrong with the picture.
   */
  detail: string;
  /**
   * What to do.
   */
  next_step: string;
  /**
   * Whose refusal it is; null where several models refused the picture as foreign.
   */
  model: string | null;
}
/**
 * How foreign each place of the picture looks.
 */
export interface ForeignMap {
  /**
   * Rows of the map.
   */
  rows: number;
  /**
   * Columns of the map.
   */
  columns: number;
  /**
   * Share of cells above 1.
   */
  foreign: number;
  /**
   * Row by row: each place's distance over the threshold; above 1 is foreign.
   */
  values: number[];
}
/**
 * One question of the gate, with its figures.
 */
export interface GateQuestion {
  /**
   * The question, for programs: `picture`, `scale`, `made` or `shows`.
   */
  question: string;
  /**
   * The question in a few words.
   */
  title: string;
  /**
   * What is compared.
   */
  help: string;
  /**
   * The picture passed.
   */
  passed: boolean;
  /**
   * Share of the calibration pictures that were at least as strange; null where there is none.
   */
  p_value: number | null;
  /**
   * How strange the picture is.
   */
  score: number;
  /**
   * The greatest score that passes.
   */
  threshold: number;
}
/**
 * What people are told: the classes that can't be ruled out.
 */
export interface PictureAnswer {
  /**
   * These classes, in the model's order; never none.
   */
  labels: string[];
  /**
   * Only one class is left.
   */
  single: boolean;
  /**
   * A class of concern is among them.
   */
  concern: boolean;
  /**
   * The classes by their names, or a section's headline.
   */
  headline: string;
  /**
   * Who reads the picture now, and why.
   */
  advice: string;
  /**
   * All classes of concern together; null where they have no name in common.
   */
  concern_sum: ConcernSum | null;
  /**
   * What holds for answers; null for a section.
   */
  promise: AnswerPromise | null;
  /**
   * How this very answer fared; null for a section.
   */
  record: AnswerHistory | null;
}
/**
 * The probability of all classes of concern together.
 */
export interface ConcernSum {
  /**
   * What these classes have in common.
   */
  name: string;
  /**
   * Sum of their probabilities, 0 to 1.
   */
  probability: number;
  /**
   * The probability in words.
   */
  likelihood: string;
}
/**
 * How seldom answers leave the true class out.
 */
export interface AnswerPromise {
  /**
   * At least this share of pictures of each class get an answer with their class in it.
   */
  level: number;
  /**
   * How sure that is, 0 to 1.
   */
  confidence: number;
  /**
   * On how many patients, blocks or pictures of the class with the least it was found.
   */
  n: number;
  /**
   * What is counted: `patient`, `block` or `picture`.
   */
  unit: string;
  /**
   * The same in words.
   */
  words: string;
}
/**
 * How this very answer fared.
 */
export interface AnswerHistory {
  /**
   * Unseen pictures that got this answer and were of a class in it.
   */
  right: number;
  /**
   * Unseen pictures that got this answer.
   */
  of: number;
  /**
   * The same in words, by class.
   */
  words: string;
}
/**
 * For programs: every class with its probability. People are told the answer.
 */
export interface Prediction {
  /**
   * The most probable class, which may be one of several in the answer.
   */
  label: string;
  /**
   * Its name for people.
   */
  name: string;
  /**
   * Every class, in the model's order.
   */
  probabilities: ClassProbability[];
}
/**
 * A class with its probability.
 */
export interface ClassProbability {
  /**
   * The class, for programs.
   */
  label: string;
  /**
   * Its name for people.
   */
  name: string;
  /**
   * 0 to 1; all classes sum to 1.
   */
  probability: number;
  /**
   * The evidence for the class: the mean of its map, exactly.
   */
  logit: number;
  /**
   * The probability in words.
   */
  likelihood: string;
}
/**
 * Where the evidence for each class lies. Cells cover the whole picture.
 */
export interface ClassMap {
  /**
   * Rows of cells.
   */
  rows: number;
  /**
   * Columns of cells.
   */
  columns: number;
  /**
   * Width and height of a cell, pixels of the picture.
   */
  cell_px: number[];
  /**
   * The unit of the values: `logit`.
   */
  unit: string;
  /**
   * Cells that have a value.
   */
  counted: number;
  /**
   * The logit at which the colours end.
   */
  limit: number;
  /**
   * The logit below which a place is left blank.
   */
  blank_below: number;
  /**
   * For each class its evidence, row by row; null where a cell doesn't count. The mean is the class's logit.
   */
  values: {
    [k: string]: (number | null)[];
  };
  /**
   * For each class its strongest places, three at most.
   */
  places: {
    [k: string]: MarkedPlace[];
  };
}
/**
 * A cell of a class map with strong evidence.
 */
export interface MarkedPlace {
  /**
   * 1 is the strongest of its class.
   */
  rank: number;
  /**
   * Row of the cell in the class map, from 0.
   */
  row: number;
  /**
   * Column of the cell in the class map, from 0.
   */
  column: number;
  /**
   * Middle of the cell from the left, pixels of the picture.
   */
  x: number;
  /**
   * Middle of the cell from the top, pixels of the picture.
   */
  y: number;
  /**
   * The evidence there, logit units.
   */
  value: number;
}
/**
 * What the parts of a field say beside its answer.
 */
export interface FieldParts {
  /**
   * A region leads by more than in nearly all fields without a class of concern, and the answer names none.
   */
  caution: boolean;
  /**
   * The class of the leading region; null where there is no region.
   */
  label: string | null;
  /**
   * What the leading region says; null where there is no region.
   */
  words: string | null;
  /**
   * The regions, the largest first.
   */
  regions: MarkedRegion[];
}
/**
 * Connected cells that speak for a class of concern.
 */
export interface MarkedRegion {
  /**
   * The class of concern with most evidence in the region.
   */
  label: string;
  /**
   * Share of the cells that count, 0 to 1.
   */
  share: number;
  /**
   * Area, mm²; null where the size of a pixel isn't known.
   */
  area_mm2: number | null;
  /**
   * 1 is the largest region.
   */
  rank: number;
  /**
   * Strongest place from the left, pixels of the picture.
   */
  x: number;
  /**
   * Strongest place from the top, pixels of the picture.
   */
  y: number;
  /**
   * Left, top, right and bottom, pixels of the picture.
   */
  box: number[];
  /**
   * The evidence at the strongest place, logit units.
   */
  strength: number;
  /**
   * That of `label` for a picture that is all like the region, 0 to 1.
   */
  probability: number;
}
/**
 * A unit of the last layer, with its part in the logit of the most probable class.
 */
export interface UnitPart {
  /**
   * The unit's number.
   */
  unit: number;
  /**
   * What the unit is called; null where nobody has named it.
   */
  name: string | null;
  /**
   * Its part in the logit: the mean of its map.
   */
  contribution: number;
  /**
   * Its map, row by row, in the cells of the class map.
   */
  values: (number | null)[];
  /**
   * The bundle's name and those given on this box, three at most.
   */
  names?: UnitName[];
  /**
   * How many more names were given on this box.
   */
  names_more?: number;
  /**
   * Addresses of patches that excite the unit.
   */
  patches?: string[];
}
/**
 * A name of a unit.
 */
export interface UnitName {
  /**
   * The name, in the language of the document.
   */
  name: string;
  /**
   * The lexicon's term; null for a free name and for the bundle's.
   */
  term: string | null;
  /**
   * How many experts gave it; null for the bundle's.
   */
  experts: number | null;
  /**
   * `model`: the bundle's; `box`: given on this box.
   */
  from: string;
}
/**
 * All units that aren't listed.
 */
export interface OtherUnits {
  /**
   * How many.
   */
  count: number;
  /**
   * What they add to the logit together.
   */
  contribution: number;
  /**
   * The constant part of the logit.
   */
  bias: number;
  /**
   * The logit at which the colours of a unit's map end.
   */
  limit: number;
  /**
   * The logit below which a place of a unit's map is left blank.
   */
  blank_below: number;
}
/**
 * What the windows of a section gave.
 */
export interface SectionSummary {
  /**
   * How much of the tissue speaks for a class of concern, in how many regions; null when refused.
   */
  headline: string | null;
  /**
   * The classes of concern; null when refused, and for a model without such classes.
   */
  concern: SectionConcern | null;
  /**
   * Windows that were read.
   */
  read: number;
  /**
   * Windows that the gate refused.
   */
  foreign: number;
  /**
   * Windows without tissue, or of the tissue's edge.
   */
  glass: number;
  /**
   * How many windows were refused for which reason.
   */
  reasons: {
    [k: string]: number;
  };
  /**
   * Width and height of a window, pixels of the picture.
   */
  window_px: number[];
  /**
   * Each class's share of the windows read; null when refused.
   */
  shares: ClassShare[] | null;
}
/**
 * What a section's tissue says of classes of concern.
 */
export interface SectionConcern {
  /**
   * The class of concern to look at first.
   */
  label: string;
  /**
   * Share of the windows read that speak for any class of concern, 0 to 1.
   */
  share: number;
  /**
   * The regions, the largest first.
   */
  regions: MarkedRegion[];
}
/**
 * A class with its share of a section.
 */
export interface ClassShare {
  /**
   * The class, for programs.
   */
  label: string;
  /**
   * Its name for people.
   */
  name: string;
  /**
   * Share of the windows read in which it is the most likely class, 0 to 1.
   */
  share: number;
}
/**
 * The picture, as it was sent and as it was read.
 */
export interface PictureFacts {
  /**
   * Pixels, upright.
   */
  width: number;
  /**
   * Pixels, upright.
   */
  height: number;
  /**
   * The kind of file.
   */
  format: string;
  /**
   * What was done to the picture, such as `exif_rotated`.
   */
  notes: string[];
  /**
   * Pixels that the network got.
   */
  read_width: number;
  /**
   * Pixels that the network got.
   */
  read_height: number;
  /**
   * The size of a pixel, µm, if it was given.
   */
  um_per_px: number | null;
  /**
   * The size of a pixel that the file states, where that can be right.
   */
  stated_um_per_px: StatedPixelSize | null;
  /**
   * Browsers can't show this file as the box read it: show `POST /api/v1/previews`.
   */
  preview: boolean;
}
/**
 * The size of a pixel that the file states. It is offered to a person and never used unasked.
 */
export interface StatedPixelSize {
  /**
   * µm.
   */
  value: number;
  /**
   * Where the file says so, such as `dicom` or `resolution`.
   */
  source: string;
  /**
   * The same in words.
   */
  words: string;
}
/**
 * Which model reads.
 */
export interface ModelIdentity {
  /**
   * The model's name for programs.
   */
  id: string;
  /**
   * Its version, such as 1.0.0.
   */
  version: string;
  /**
   * Its name for people.
   */
  title: string;
  /**
   * SHA-256 of the bundle's file.
   */
  sha256: string;
  /**
   * Name of the key that signed the bundle.
   */
  signer: string;
}
/**
 * What ran the network.
 */
export interface RuntimeIdentity {
  /**
   * The package that runs the network.
   */
  name: string;
  /**
   * Its version.
   */
  version: string;
  /**
   * Its outputs equal the recorded ones bit for bit.
   */
  exact: boolean;
}
/**
 * What one model of the box said.
 */
export interface ModelOpinion {
  /**
   * The model.
   */
  model: string;
  /**
   * Its name for people.
   */
  title: string;
  /**
   * The answer is this model's.
   */
  chosen: boolean;
  /**
   * Its gate accepts the picture.
   */
  accepted: boolean;
  /**
   * Why not: the code of a reason or of an error.
   */
  reason: string | null;
  /**
   * Its smallest p-value; null where there is none.
   */
  least_p: number | null;
  /**
   * How long it took, ms; null where it has no opinion.
   */
  ms: number | null;
}
/**
 * The models of a box, and its limits.
 */
export interface ModelsDocument {
  /**
   * What the box may be used for.
   */
  notice: string;
  /**
   * Each model, in the order of the box.
   */
  models: ModelFacts[];
  limits: UploadLimits;
  /**
   * Version of Loupe.
   */
  software: string;
}
/**
 * A model, and what its bundle's manifest says of it (`bundle.md`).
 */
export interface ModelFacts {
  /**
   * The model's name for programs.
   */
  id: string;
  /**
   * Its version, such as 1.0.0.
   */
  version: string;
  /**
   * Its name for people.
   */
  title: string;
  /**
   * SHA-256 of the bundle's file.
   */
  sha256: string;
  /**
   * Name of the key that signed the bundle.
   */
  signer: string;
  /**
   * The classes that it tells apart, in its order.
   */
  labels: LabelName[];
  preprocessing: Preprocessing;
  /**
   * How well it read pictures that it had not seen.
   */
  metrics: {};
  answer: AnswerRules;
  /**
   * From which data and by which program it was made.
   */
  provenance: {};
}
/**
 * A class of a model.
 */
export interface LabelName {
  /**
   * The class, for programs.
   */
  label: string;
  /**
   * Its name for people.
   */
  name: string;
}
/**
 * The scale `um_per_px` and the area `area_px` that it reads at.
 */
export interface Preprocessing {
  um_per_px: number;
  area_px: number;
}
/**
 * What answers promise, as the manifest has it.
 */
export interface AnswerRules {
  /**
   * @maxItems 32
   */
  concern: string[];
  sum?: Words;
  confidence: number;
  unit: "block" | "patient" | "picture";
  classes: {
    [k: string]: ClassPromise;
  };
  size: number;
  concern_outside: OutsideConcern;
  /**
   * @maxItems 1000
   */
  record: AnswerRecord[];
}
/**
 * A line for people, in each language.
 */
export interface Words {
  en: string;
  fr: string;
}
/**
 * A class is in the answer where its probability is `threshold` or more. Of new pictures of it at least `level` get it
 *     in their answer, from `n` units; of those measured `inside` of `pictures` did.
 */
export interface ClassPromise {
  threshold: number;
  level: number;
  n: number;
  pictures: number;
  inside: number;
}
/**
 * Of so many pictures of classes of concern, how many got an answer without any such class.
 */
export interface OutsideConcern {
  pictures: number;
  outside: number;
}
/**
 * How many pictures of each class, in bundle order, got the answer with these labels.
 */
export interface AnswerRecord {
  /**
   * @minItems 1
   * @maxItems 32
   */
  labels: [string, ...string[]];
  /**
   * @minItems 2
   * @maxItems 32
   */
  counts: [number, number, ...number[]];
}
/**
 * What the box takes.
 */
export interface UploadLimits {
  /**
   * Largest file, millions of bytes.
   */
  max_upload_mb: number;
  /**
   * Largest picture, millions of pixels.
   */
  max_megapixels: number;
  /**
   * Formats of picture files.
   */
  formats: string[];
}
/**
 * The sample pictures that a box offers.
 */
export interface SamplesDocument {
  /**
   * The samples, in the order of `samples.json`.
   */
  samples: SampleEntry[];
}
/**
 * A sample picture. An entry has the further keys that `samples.json` gives it, such as `label` or `made_by`.
 */
export interface SampleEntry {
  /**
   * What it is and how it was made.
   */
  description: string;
  /**
   * The name of its file.
   */
  file: string;
  /**
   * The sample, for programs.
   */
  id: string;
  /**
   * What it is, such as `texture` or `foreign`.
   */
  kind: string;
  /**
   * Its name for people.
   */
  title: string;
  /**
   * The address of its picture.
   */
  url: string;
}
/**
 * The unit survey of a model.
 */
export interface UnitsDocument {
  /**
   * What the box may be used for.
   */
  notice: string;
  model: ModelIdentity1;
  /**
   * SHA-256 of the integer network, to which names belong.
   */
  network: string;
  /**
   * How many units the last layer has.
   */
  count: number;
  /**
   * The classes, in the model's order.
   */
  labels: LabelName[];
  lexicon: LexiconFacts;
  /**
   * Where patches and figures come from; null without an atlas.
   */
  atlas: AtlasFacts | null;
  /**
   * Why there is no atlas, or are no names.
   */
  problems: ProblemWords[];
  /**
   * The atlas's units in its order, then others that have a name.
   */
  units: UnitDocument[];
}
/**
 * Which model.
 */
export interface ModelIdentity1 {
  /**
   * The model's name for programs.
   */
  id: string;
  /**
   * Its version, such as 1.0.0.
   */
  version: string;
  /**
   * Its name for people.
   */
  title: string;
  /**
   * SHA-256 of the bundle's file.
   */
  sha256: string;
  /**
   * Name of the key that signed the bundle.
   */
  signer: string;
}
/**
 * The words that experts may choose from.
 */
export interface LexiconFacts {
  /**
   * The lexicon, for programs.
   */
  id: string;
  /**
   * Its name for people.
   */
  title: string;
  /**
   * Where its words come from.
   */
  source: string;
  /**
   * Groups of terms.
   */
  groups: LexiconGroup[];
  /**
   * Its words.
   */
  terms: LexiconTerm[];
}
/**
 * A group of terms.
 */
export interface LexiconGroup {
  /**
   * The group, for programs.
   */
  group: string;
  /**
   * Its name for people.
   */
  name: string;
}
/**
 * A word of the lexicon.
 */
export interface LexiconTerm {
  /**
   * The term, for programs.
   */
  term: string;
  /**
   * Its group.
   */
  group: string;
  /**
   * The word.
   */
  name: string;
  /**
   * What it means.
   */
  definition: string;
}
/**
 * Where patches and figures come from.
 */
export interface AtlasFacts {
  /**
   * Whose pictures these are, and what may be done with them.
   */
  notice: string;
  /**
   * From which data and by which program the figures were made.
   */
  figures: {};
  /**
   * From which data and by which program the patches were made.
   */
  patches: {};
  /**
   * The names of the masks that figures speak of.
   */
  concepts: {
    [k: string]: string;
  };
}
/**
 * Something that is wrong.
 */
export interface ProblemWords {
  /**
   * The error's code, for programs.
   */
  code: string;
  /**
   * What is wrong, in a few words.
   */
  title: string;
  /**
   * What exactly.
   */
  detail: string;
  /**
   * What to do.
   */
  next_step: string;
}
/**
 * All that the box knows of a unit.
 */
export interface UnitDocument {
  /**
   * The unit's number.
   */
  unit: number;
  /**
   * For each class, by how much its logit grows with the unit's activation.
   */
  weights: {
    [k: string]: number;
  };
  /**
   * What the atlas measured of the unit; null where it isn't in one.
   */
  figures: {} | null;
  /**
   * Patches that excite the unit, the strongest first.
   */
  patches: UnitPatch[];
  /**
   * The bundle's name, then those given on this box, the most given first.
   */
  names: UnitName[];
  /**
   * How many more names were given on this box.
   */
  names_more: number;
}
/**
 * A patch that excites a unit.
 */
export interface UnitPatch {
  /**
   * The address of its picture.
   */
  url: string;
  /**
   * The class of the picture that it is of.
   */
  label: string;
  /**
   * How strongly it excites the unit.
   */
  activation: number;
}
