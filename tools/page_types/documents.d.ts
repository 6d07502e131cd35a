// The documents that the box answers with (docs/api.md), as far as the page's scripts look at them.

/** Values of a map's cells, row by row; null where nothing counts. */
export type CellValues = (number | null)[];

export interface Grid {
  rows: number;
  columns: number;
}

export interface Problem {
  title: string;
  detail: string;
  next_step: string;
  code: string;
}

export interface Region {
  label: string;
  share: number;
  area_mm2: number | null;
  rank: number;
  x: number;
  y: number;
  box: [number, number, number, number];
  strength: number;
  probability: number;
}

export interface ReadingDocument {
  schema: "loupe-reading/1";
  notice: string;
  verdict: {
    accepted: boolean;
    caution: boolean;
    caution_words: string | null;
    reason: {
      code: string;
      variant: string | null;
      title: string;
      detail: string;
      next_step: string;
      model: string | null;
    } | null;
    magnification: number | null;
    where: (Grid & { foreign: number; values: number[] }) | null;
    questions: {
      question: string;
      title: string;
      help: string;
      passed: boolean | null;
      p_value: number | null;
      score: number | null;
      threshold: number | null;
    }[];
  };
  answer: {
    labels: string[];
    single: boolean;
    concern: boolean;
    headline: string;
    advice: string;
    concern_sum: { name: string; probability: number; likelihood: string } | null;
    promise: { level: number; confidence: number; n: number; unit: string; words: string } | null;
    record: { right: number; of: number; words: string } | null;
  } | null;
  prediction: {
    label: string;
    name: string;
    probabilities: { label: string; name: string; probability: number; logit: number; likelihood: string }[];
  } | null;
  class_map: (Grid & {
    cell_px: [number, number];
    unit: "logit";
    limit: number;
    blank_below: number;
    counted: number;
    values: Record<string, CellValues>;
    places: Record<string, { rank: number; row: number; column: number; x: number; y: number; value: number }[]>;
  }) | null;
  parts: { caution: boolean; label: string | null; words: string | null; regions: Region[] } | null;
  section: {
    headline: string | null;
    concern: { label: string; share: number; regions: Region[] } | null;
    read: number;
    foreign: number;
    glass: number;
    reasons: Record<string, number>;
    window_px: [number, number];
    shares: { label: string; name: string; share: number }[] | null;
  } | null;
  units: {
    unit: number;
    name: string | null;
    contribution: number;
    values: CellValues;
    names?: UnitName[];
    names_more?: number;
    patches?: string[];
  }[] | null;
  units_rest: { count: number; contribution: number; bias: number; limit: number; blank_below: number } | null;
  image: {
    width: number;
    height: number;
    format: string;
    notes: string[];
    read_width: number;
    read_height: number;
    um_per_px: number | null;
    stated_um_per_px: { value: number; source: string; words: string } | null;
    preview: boolean;
  };
  model: ModelIdentity & { sha256: string; signer: string };
  runtime: { name: string; version: string; exact: boolean };
  timings_ms: Record<string, number>;
  routing: { model: string; title: string; chosen: boolean; accepted: boolean; reason: string | null }[];
  software: string;
}

export interface ModelIdentity {
  id: string;
  version: string;
  title: string;
}

/** `GET /api/v1/model`. */
export interface ModelDocument {
  models: (ModelIdentity & { preprocessing: { um_per_px: number; area_px: number } })[];
  limits: { max_upload_mb: number };
}

/** `GET /api/v1/samples`. */
export interface SamplesDocument {
  samples: { id: string; file: string; kind: string; title: string; description: string; url: string }[];
}

export interface UnitName {
  name: string;
  term: string | null;
  experts: number | null;
  from: "model" | "box";
}

/** `GET /api/v1/units/UNIT`. */
export interface UnitDocument {
  unit: number;
  weights: Record<string, number>;
  figures: {
    active: number;
    listed: number;
    threshold: number;
    selectivity: Record<string, number>;
    overlap: Record<string, number>;
    inside: Record<string, number>;
  } | null;
  patches: { url: string; label: string; activation: number }[];
  names: UnitName[];
  names_more: number;
}

/** `GET /api/v1/units`. */
export interface UnitsDocument {
  notice: string;
  model: ModelIdentity;
  network: string;
  count: number;
  labels: { label: string; name: string }[];
  lexicon: {
    id: string;
    title: string;
    source: string;
    groups: { group: string; name: string }[];
    terms: { term: string; group: string; name: string; definition: string }[];
  };
  atlas: {
    notice: string;
    figures: { data: { name: string; pictures: number }; covered: number };
    patches: { name: string; pictures: number; quantile: number };
    concepts: Record<string, string>;
  } | null;
  problems: Problem[];
  units: UnitDocument[];
}
