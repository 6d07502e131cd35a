// The colour scale of the class maps: blue speaks against, vermilion speaks for, nothing is left blank.
//
// The scale is fixed by the model (limit and blank_below, in logit units), never stretched to one picture, so a pale map
// means weak evidence. Blue and vermilion stay apart in the common forms of colour blindness (Okabe and Ito 2008); both
// grow darker and more opaque with strength, so that strength reads without hue.

const AGAINST = { weak: [86, 180, 233], strong: [0, 62, 130] };
const FOR = { weak: [245, 158, 66], strong: [176, 42, 0] };
const OPACITY = { weak: 0.45, strong: 0.95 };

// 0 where a value just isn't left blank, 1 at the limit and beyond.
function strengthOf(value, { limit, blank_below: blankBelow }) {
  return Math.min(1, (Math.abs(value) - blankBelow) / (limit - blankBelow));
}

function shade(side, strength) {
  const mix = (weak, strong) => weak + (strong - weak) * strength;
  return [...side.weak.map((weak, channel) => mix(weak, side.strong[channel])), 255 * mix(OPACITY.weak, OPACITY.strong)];
}

// Red, green, blue and alpha, each 0 to 255, of a value in logit units.
export function colourOf(value, scale) {
  if (Math.abs(value) < scale.blank_below) return [0, 0, 0, 0];
  return shade(value > 0 ? FOR : AGAINST, strengthOf(value, scale));
}

// For drawing many pixels: all colours, a pixel's four bytes as one number. Entry 0 is blank, then 256 strengths a side.
const STRENGTHS = 256;
const bytes = new Uint8ClampedArray([
  0, 0, 0, 0,
  ...[AGAINST, FOR].flatMap((side) => Array.from({ length: STRENGTHS }, (_, i) => shade(side, i / (STRENGTHS - 1))).flat()),
]);
export const COLOURS = new Uint32Array(bytes.buffer);

export function colourIndex(value, scale) {
  if (Math.abs(value) < scale.blank_below) return 0;
  return 1 + (value > 0 ? STRENGTHS : 0) + Math.round(strengthOf(value, scale) * (STRENGTHS - 1));
}
