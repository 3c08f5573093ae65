// Reads a JSON list of TraceQL queries from stdin and writes, for each, where Grafana's grammar finds a mistake, or null.
import { readFileSync } from "node:fs";
import { parser } from "@grafana/lezer-traceql";

function mistake(query) {
  let found = null;
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError && found === null) found = { at: node.from, text: query.slice(node.from) };
    },
  });
  return found;
}

const queries = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(queries.map(mistake)));
