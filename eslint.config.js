// Rules for the page's scripts and their tests. Types are TypeScript's business (tsconfig.json).

import js from "@eslint/js";

const BROWSER = [
  "AbortController", "addEventListener", "Blob", "DOMException", "DOMMatrix", "DOMParser", "document", "fetch", "File",
  "FormData", "getComputedStyle", "history", "HTMLButtonElement", "HTMLCanvasElement", "HTMLDetailsElement", "HTMLDialogElement", "HTMLFieldSetElement",
  "HTMLElement", "HTMLAnchorElement", "HTMLFormElement", "HTMLImageElement", "HTMLInputElement", "HTMLProgressElement",
  "HTMLSelectElement", "Image", "location", "Path2D", "print", "scrollTo", "sessionStorage", "setTimeout",
  "SVGElement", "SVGSVGElement", "URL", "URLSearchParams", "window", "XMLHttpRequest",
];
const NODE = ["console", "process", "URL"];

const readonly = (names) => Object.fromEntries(names.map((name) => [name, "readonly"]));

export default [
  { ignores: ["**/node_modules/", ".venv*/", "build/", "dist/", "runs/", "var/"] },
  js.configs.recommended,
  {
    files: ["device/web/static/*.js"],
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: readonly(BROWSER) },
  },
  {
    files: ["tests/page/*.js", "eslint.config.js"],
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: readonly(NODE) },
  },
  {
    rules: {
      "curly": ["error", "multi-line"],
      "eqeqeq": "error",
      "no-constant-condition": ["error", { checkLoops: false }],
      "no-implicit-globals": "error",
      "no-shadow": "error",
      "no-throw-literal": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
];
