// What the page's scripts hand to each other. What the box sends is in documents.d.ts.

import type en from "../../device/base/texts/en.json";
import type { ForeignMap, ReadingDocument, SampleEntry, UnitPart } from "./documents";

export type Reading = ReadingDocument;
export type Sample = SampleEntry;
export type Where = ForeignMap;
export type Unit = UnitPart;

/** A reading of a picture that the gate accepted. */
export type MappedReading = Reading & { class_map: NonNullable<Reading["class_map"]> };

/** A reading with an answer: the scale is known too, or may be assumed, or isn't needed. */
export type AcceptedReading = MappedReading & {
  answer: NonNullable<Reading["answer"]>;
  prediction: NonNullable<Reading["prediction"]>;
  units: NonNullable<Reading["units"]>;
  units_rest: NonNullable<Reading["units_rest"]>;
};

/** The key of a text of the page, in device/base/texts. */
export type PageWord = keyof typeof en.page;

export interface ProblemWords {
  title: string;
  detail: string;
  next_step: string;
}

/** The scale of a map, in logit units: where the colours end, and below which a place is left blank. */
export interface Scale {
  limit: number;
  blank_below: number;
}

export interface Grid {
  rows: number;
  columns: number;
}

/** A map on a grid over the picture. */
export interface CellMap extends Grid, Scale {
  /** Row by row; null where nothing counts. */
  values: (number | null)[];
}

/** The map that is shown: that of a class, which has a label, or that of a unit. */
export interface ShownMap extends CellMap {
  name: string;
  mean: number;
  label?: string;
}

/** A line of equal evidence, as an SVG path in cells. */
export interface Contour {
  level: number;
  strong: boolean;
  path: string;
}

/** A numbered place over the picture, in its pixels. A region has a box: left, top, right, bottom. */
export interface Mark {
  rank: number;
  x: number;
  y: number;
  words: string;
  box?: number[];
}

/** What the map view shows now, and how another map is put there. */
export interface MapView {
  map: ShownMap;
  contours: Contour[];
  marks: Mark[];
  showMap(map: Pick<ShownMap, "name" | "values" | "mean" | "label"> & Partial<Scale>): void;
}

/** When a picture was read: by this device's clock and the box's, and whether they agree (null: the box's isn't known). */
export interface Clock {
  date: Date;
  boxDate: Date | null;
  agrees: boolean | null;
}

/** What a person gave for one picture: the size of its pixels as written, and the ids of model and microscope; empty where nothing. */
export interface Given {
  umPerPx: string;
  model: string;
  microscope: string;
}

/** All that a saved reading or picture is made of. */
export interface Report {
  reading: Reading;
  clock: Clock;
  caseLabel: string;
  synthetic: boolean;
}

export interface AcceptedReport extends Report {
  reading: AcceptedReading;
  picture: HTMLImageElement | null;
  view: MapView;
}

/** The header with the technician's code, where there is one. */
export type Headers = Record<string, string>;
