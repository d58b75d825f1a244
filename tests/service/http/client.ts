// A client of the service, by the types that `openapi-typescript` makes of its document.
// node client.js ADDRESS CLIP prints what it was answered.
import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type AnswerRecord = components["schemas"]["AnswerRecord"];
type OptionsForm = components["schemas"]["OptionsForm"];

const [, , baseUrl, path] = process.argv;
const clip = new Blob([await readFile(path)]);
// Binary content is a string in generated types.
const content = clip as unknown as string;

// Of all forms that an answer may have, the one that is asked for here.
type Media = "application/json" | "application/problem+json";

const authorized = { Authorization: "Bearer secret" };
const client = createClient<paths, Media>({ baseUrl, headers: authorized });
const lines = createClient<paths, "application/x-ndjson">({ baseUrl, headers: authorized });
const stranger = createClient<paths, Media>({ baseUrl });

function toForm(body: OptionsForm): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(body)) {
    form.append(name, (value as unknown) instanceof Blob ? value as unknown as Blob : String(value));
  }
  return form;
}

const raw = {
  bodySerializer: (body: unknown) => body as Blob,
  headers: { ...authorized, "Content-Type": "application/octet-stream" },
};

const refused = await stranger.GET("/limits");
const wrong = await client.POST("/understand", {
  ...raw, params: { query: { fps: 99 } }, body: content,
});
const whole = await client.POST("/understand", { ...raw, body: content });
const inForm = await client.POST("/understand", {
  body: { file: content, fps: 2, captions: false, mask_format: "png" },
  bodySerializer: (body) => toForm(body as OptionsForm),
});
const streamed = await lines.POST("/understand", {
  ...raw, params: { query: { format: "ndjson" } }, body: content, parseAs: "text",
});

const records = (streamed.data ?? "").trim().split("\n").map((line): AnswerRecord => JSON.parse(line));
let frames = 0;
for (const record of records) {
  switch (record.record) {
    case "window": frames += record.frames.length; break;
    case "error": throw new Error(record.problem.code);
    case "head": case "tail": case "heartbeat": break;
    default: record satisfies never;
  }
}

if (!whole.data || !inForm.data) {
  throw new Error(whole.error?.detail ?? inForm.error?.detail);
}
const regions = inForm.data.frames.flatMap((frame) => frame.regions);
console.log(JSON.stringify({
  refused: refused.error?.code,
  wrong: wrong.error?.errors?.map((each) => each.option),
  raw: whole.data.tracks[0].sentences[0].text,
  form: {
    fps: inForm.data.sampled_fps,
    descriptions: [...new Set(regions.map((region) => region.description))],
    masks: [...new Set(regions.map((region) => region.mask && "png" in region.mask ? "png" : "other"))],
  },
  records: records.map((record) => record.record),
  frames,
}));
