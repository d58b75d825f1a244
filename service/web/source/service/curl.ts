// The same request as a line for a shell.

import { forFiles, type Options } from "./options.ts";

/** Return a command that asks the same of the service; the key is left to a variable. */
export function curlLine(address: string, file: string, options: Options, keys: boolean): string {
  const fields = Object.entries(forFiles(options))
    .filter(([, value]) => value !== null && value !== false)
    .map(([name, value]) => `-F ${name}=${value}`);
  const key = keys ? ['-H "Authorization: Bearer $SSU_KEY"'] : [];
  const clip = `-F ${quoted(`file=@${named(file)}`)}`;
  return ["curl", clip, ...fields, ...key, quoted(address)].join(" ");
}

/** curl splits names at commas and semicolons, unless they are quoted. */
function named(file: string): string {
  return /[",;\\]/.test(file) ? `"${file.replaceAll(/["\\]/g, "\\$&")}"` : file;
}

function quoted(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
