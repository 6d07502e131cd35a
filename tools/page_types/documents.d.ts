// Written by `make generated` from the records in device/documents/. Don't change it here.

export type BoxDocument =
  | ReadingDocument
  | ModelsDocument
  | SamplesDocument
  | InstrumentsDocument
  | MarksDocument
  | GlassDocument
  | PixelSizeDocument
  | UnitsDocument
  | CommissioningDocument
  | JobDocument;

export interface ReadingDocument {
  schema: string;
  notice: string;
  verdict: GateVerdict;
  answer: PictureAnswer | null;
  prediction: Prediction | null;
  class_map: ClassMap | null;
  parts: FieldParts | null;
  units: UnitPart[] | null;
  units_rest: OtherUnits | null;
  section: SectionSummary | null;
  image: PictureFacts;
  scale: PictureScale;
  site: SiteState;
  model: ModelIdentity;
  runtime: RuntimeIdentity;
  timings_ms: {
    [k: string]: number;
  };
  software: string;
  routing: ModelOpinion[];
}
export interface GateVerdict {
  accepted: boolean;
  caution: boolean;
  caution_words: string | null;
  reason: Refusal | null;
  magnification: number | null;
  where: ForeignMap | null;
  questions: GateQuestion[];
}
export interface Refusal {
  code: string;
  variant: string | null;
  title: string;
  detail: string;
  next_step: string;
  model: string | null;
}
export interface ForeignMap {
  rows: number;
  columns: number;
  foreign: number;
  values: number[];
}
export interface GateQuestion {
  question: string;
  title: string;
  help: string;
  passed: boolean;
  p_value: number | null;
  score: number;
  threshold: number;
}
export interface PictureAnswer {
  labels: string[];
  single: boolean;
  concern: boolean;
  headline: string;
  advice: string;
  concern_sum: ConcernSum | null;
  promise: AnswerPromise | null;
  record: AnswerHistory | null;
}
export interface ConcernSum {
  name: string;
  probability: number;
  likelihood: string;
}
export interface AnswerPromise {
  level: number;
  confidence: number;
  n: number;
  unit: string;
  words: string;
}
export interface AnswerHistory {
  right: number;
  of: number;
  words: string;
}
export interface Prediction {
  label: string;
  name: string;
  probabilities: ClassProbability[];
}
export interface ClassProbability {
  label: string;
  name: string;
  probability: number;
  logit: number;
  likelihood: string;
}
export interface ClassMap {
  rows: number;
  columns: number;
  cell_px: number[];
  unit: string;
  names: {
    [k: string]: string;
  };
  counted: number;
  limit: number;
  blank_below: number;
  values: {
    [k: string]: (number | null)[];
  };
  places: {
    [k: string]: MarkedPlace[];
  };
}
export interface MarkedPlace {
  rank: number;
  row: number;
  column: number;
  x: number;
  y: number;
  value: number;
}
export interface FieldParts {
  caution: boolean;
  label: string | null;
  words: string | null;
  regions: MarkedRegion[];
}
export interface MarkedRegion {
  label: string;
  share: number;
  area_mm2: number | null;
  rank: number;
  x: number;
  y: number;
  box: number[];
  strength: number;
  probability: number;
}
export interface UnitPart {
  unit: number;
  name: string | null;
  contribution: number;
  values: (number | null)[];
  names?: UnitName[];
  names_more?: number;
  patches?: string[];
}
export interface UnitName {
  name: string;
  term: string | null;
  experts: number | null;
  from: string;
}
export interface OtherUnits {
  count: number;
  contribution: number;
  bias: number;
  limit: number;
  blank_below: number;
}
export interface SectionSummary {
  headline: string | null;
  concern: SectionConcern | null;
  read: number;
  foreign: number;
  glass: number;
  reasons: {
    [k: string]: number;
  };
  window_px: number[];
  shares: ClassShare[] | null;
}
export interface SectionConcern {
  label: string;
  share: number;
  regions: MarkedRegion[];
}
export interface ClassShare {
  label: string;
  name: string;
  share: number;
}
export interface PictureFacts {
  width: number;
  height: number;
  format: string;
  notes: string[];
  read_width: number;
  read_height: number;
  read_box: number[];
  um_per_px: number | null;
  stated_um_per_px: StatedPixelSize | null;
  preview: boolean;
}
export interface StatedPixelSize {
  value: number;
  source: string;
  words: string;
}
export interface PictureScale {
  state: string;
  um_per_px: number | null;
  source: string | null;
  instrument: string | null;
  words: string;
}
export interface SiteState {
  state: string;
  title: string;
  words: string;
  profile: ProfileIdentity | null;
  instrument: string | null;
  measured: SiteMeasured | null;
  since: string | null;
}
export interface ProfileIdentity {
  id: string;
  version: number;
  date: string;
}
export interface SiteMeasured {
  right: number;
  of: number;
  patients: number;
  low: number;
  high: number;
  auroc: number | null;
  auroc_low: number | null;
  auroc_high: number | null;
  inside: number;
  inside_low: number;
  inside_high: number;
  enough: boolean;
}
export interface ModelIdentity {
  id: string;
  version: string;
  title: string;
  sha256: string;
  signer: string;
}
export interface RuntimeIdentity {
  name: string;
  version: string;
  exact: boolean;
}
export interface ModelOpinion {
  model: string;
  title: string;
  chosen: boolean;
  accepted: boolean;
  reason: string | null;
  least_p: number | null;
  ms: number | null;
}
export interface ModelsDocument {
  notice: string;
  models: ModelFacts[];
  limits: UploadLimits;
  software: string;
}
export interface ModelFacts {
  id: string;
  version: string;
  title: string;
  sha256: string;
  signer: string;
  labels: LabelName[];
  preprocessing: Preprocessing;
  metrics: {};
  answer: AnswerRules;
  provenance: {};
}
export interface LabelName {
  label: string;
  name: string;
}
export interface Preprocessing {
  um_per_px: number;
  area_px: number;
}
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
export interface Words {
  en: string;
  fr: string;
}
export interface ClassPromise {
  threshold: number;
  level: number;
  n: number;
  pictures: number;
  inside: number;
}
export interface OutsideConcern {
  pictures: number;
  outside: number;
}
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
export interface UploadLimits {
  max_upload_mb: number;
  max_megapixels: number;
  formats: string[];
}
export interface SamplesDocument {
  samples: SampleEntry[];
}
export interface SampleEntry {
  description: string;
  file: string;
  id: string;
  kind: string;
  title: string;
  um_per_px: number | null;
  url: string;
}
export interface InstrumentsDocument {
  instruments: InstrumentEntry[];
  limit: number;
}
export interface InstrumentEntry {
  id: string;
  name: string;
  um_per_px: number;
  width_px: number;
  height_px: number;
  white: number[] | null;
  how: string;
  version: number;
  at: string;
}
export interface MarksDocument {
  width: number;
  height: number;
  period_px: number;
  error_px: number;
  marks: number;
  found: number;
  angle: number;
  lines: number[][];
}
export interface GlassDocument {
  width: number;
  height: number;
  white: number[];
}
export interface PixelSizeDocument {
  width: number;
  height: number;
  um_per_px: number;
  source: string;
  words: string;
}
export interface UnitsDocument {
  notice: string;
  model: ModelIdentity;
  network: string;
  count: number;
  labels: LabelName[];
  lexicon: LexiconFacts;
  atlas: AtlasFacts | null;
  problems: ProblemWords[];
  units: UnitDocument[];
}
export interface LexiconFacts {
  id: string;
  title: string;
  source: string;
  groups: LexiconGroup[];
  terms: LexiconTerm[];
}
export interface LexiconGroup {
  group: string;
  name: string;
}
export interface LexiconTerm {
  term: string;
  group: string;
  name: string;
  definition: string;
}
export interface AtlasFacts {
  notice: string;
  figures: AtlasFigures;
  patches: PictureData;
  concepts: {
    [k: string]: string;
  };
}
export interface AtlasFigures {
  data: PictureData;
  units: number;
  constant: number;
  dead: number;
  covered: number;
  within: number;
  selective: SelectiveUnits[];
}
export interface PictureData {
  name: string;
  terms: string;
  synthetic: boolean;
  pictures: number;
  groups: number;
  quantile: number;
  created: string;
  command: string;
}
export interface SelectiveUnits {
  auroc: number;
  units: number;
  by_chance: number;
}
export interface ProblemWords {
  code: string;
  title: string;
  detail: string;
  next_step: string;
}
export interface UnitDocument {
  unit: number;
  weights: {
    [k: string]: number;
  };
  figures: UnitFigures | null;
  patches: UnitPatch[];
  names: UnitName[];
  names_more: number;
}
export interface UnitFigures {
  importance: number;
  listed: number;
  active: number;
  threshold: number;
  selectivity: {
    [k: string]: number;
  };
  means: {
    [k: string]: number;
  };
  overlap: {
    [k: string]: number;
  };
  inside: {
    [k: string]: number;
  };
}
export interface UnitPatch {
  url: string;
  label: string;
  activation: number;
}
export interface CommissioningDocument {
  notice: string;
  wanted: WantedCounts;
  limits: CommissioningLimits;
  models: ModelToCommission[];
  under_way: JobUnderWay | null;
  profiles: ProfileEntry[];
}
export interface WantedCounts {
  pictures: number;
  patients: number;
  glass: number;
  foreign: number;
  labelled: number;
}
export interface CommissioningLimits {
  pictures: number;
  foreign: number;
  patient_characters: number;
  idle_s: number;
  kinds: string[];
}
export interface ModelToCommission {
  id: string;
  title: string;
  needs_instrument: boolean;
  states: SiteState[];
}
export interface JobUnderWay {
  since: string;
  pictures: number;
}
export interface ProfileEntry {
  id: string;
  title: string;
  used: boolean;
  state: SiteState;
}
export interface JobDocument {
  job: string;
  model: string;
  title: string;
  labels: LabelName[];
  groups: string[];
  instrument: string | null;
  since: string;
  needs_colours: boolean;
  colours_found: boolean;
  coloured: boolean;
  pictures: JobPicture[];
  report: CommissioningReport | null;
}
export interface JobPicture {
  number: number;
  patient: string | null;
  label: string | null;
  kind: string | null;
  usable: boolean;
  accepted: boolean;
  reason: string | null;
}
export interface CommissioningReport {
  pictures: number;
  patients: number;
  unjudgeable: number;
  refused_before: number;
  refused_after: number;
  promise: SitePromiseWords;
  foreign: ForeignKind[];
  measured: SiteMeasured | null;
  floor: number;
  withheld: boolean;
  lines: string[];
  advice: string[];
}
export interface SitePromiseWords {
  share: number;
  confidence: number;
  patients: number;
  patients_needed: number;
  words: string;
}
export interface ForeignKind {
  kind: string;
  name: string;
  n: number;
  refused_before: number;
  refused_after: number;
}
