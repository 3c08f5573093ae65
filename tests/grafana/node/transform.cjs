// Reads {transformations, frames} from stdin, applies a table's transformations as Grafana does and writes the columns.
const { readFileSync } = require("node:fs");
const { lastValueFrom } = require("rxjs");
const { getFieldDisplayName, standardTransformers, standardTransformersRegistry, transformDataFrame } = require("@grafana/data");
globalThis.window = { __grafanaSceneContext: {} }; // as in a dashboard; before the packages are loaded it would confuse them

const known = new Map(Object.values(standardTransformers).map((each) => [each.id, each]));
standardTransformersRegistry.setInit(() =>
  [...known.values()].map((each) => ({ id: each.id, name: each.name, transformation: async () => each, editor: null })),
);

const { transformations, frames } = JSON.parse(readFileSync(0, "utf8"));
const data = frames.map((frame) => ({ ...frame, length: frame.fields[0].values.length }));
lastValueFrom(transformDataFrame(transformations, data)).then((result) => {
  const tables = result.map((frame) =>
    frame.fields.map((field) => ({ title: getFieldDisplayName(field, frame, result), name: field.name, values: [...field.values] })),
  );
  process.stdout.write(JSON.stringify(tables));
});
