// Values that the page shares with the box. Written by `make generated` from tools/page_constants.py, which says where
// each is defined. Don't change them here.

/** `schema` of a reading's document. */
export const READING_SCHEMA = "loupe-reading/1";

/** Regular expression of a fact's place in a text. */
export const PLACE_PATTERN = "\\{(\\w+)(?::([^{}|]*)(?:\\|([^{}|]*))?)?\\}";

/** A share below this is written as “below 1 %”. */
export const LEAST_SHARE = 0.01;

/** A share above this is written as “above 99 %”. */
export const MOST_SHARE = 0.99;

/** A picture with a p-value below this is read with caution. */
export const CAUTION_BELOW_P = 0.05;

/** A picture of so many times the model's area is still read whole. */
export const WHOLE_UP_TO = 1.5;

/** Windows of a section that start within one window's side. */
export const WINDOW_STEPS = 2;

/** Weak and strong evidence against a class. */
export const AGAINST_RGB = {"weak": [86, 180, 233], "strong": [0, 62, 130]};

/** Weak and strong evidence for a class. */
export const FOR_RGB = {"weak": [245, 158, 66], "strong": [176, 42, 0]};

/** Opacity of a map's colours where evidence is just not left blank. */
export const WEAK_OPACITY = 0.45;

/** Opacity of a map's colours where evidence reaches the scale's end. */
export const STRONG_OPACITY = 0.95;

/** Where a larger share of a picture looks foreign, hatching tells nothing. */
export const NEARLY_ALL = 0.95;

/** Hatching lines along the longer side. */
export const HATCHES = 55;

/** The wider line of a hatch. */
export const HATCH_DARK_RGB = [20, 33, 43];

/** The narrower line on it. */
export const HATCH_LIGHT_RGB = [255, 255, 255];

/** As a share of the gap between two lines. */
export const HATCH_DARK_WIDTH = 0.3;

/** As a share of the gap between two lines. */
export const HATCH_LIGHT_WIDTH = 0.12;

/** Longer side of a saved picture. */
export const OVERLAY_LONGEST_PX = 2048;

/** Characters of a unit's name. */
export const UNIT_NAME_LIMIT = 60;

/** Errors and refusals that the given size of a pixel may have caused. */
export const SCALE_ERRORS = ["scale_invalid", "field_too_small", "field_too_coarse", "section_too_large", "instrument_other_shape", "instrument_unknown", "wrong_magnification"];

/** Refusals of pictures that look otherwise than those that the model knows, as they do at another scale. */
export const FOREIGN_REASONS = ["wrong_stain_or_scanner", "unknown_content", "wrong_magnification"];

/** Header with the technician's code. */
export const CODE_HEADER = "X-Loupe-Code";

/** Errors after which the technician is asked for the code. */
export const CODE_ERRORS = ["technician_code_needed", "technician_code_wrong"];
