// Node with busboy: fields parsed, the whole body one file an event (write, fsync, rename, fsync of the folder).
"use strict";
const fs = require("fs/promises");
const http = require("http");
const path = require("path");
const busboy = require("busboy");
const { XMLParser } = require("fast-xml-parser");

const [port, folder] = process.argv.slice(2);
const xml = new XMLParser();
let number = 0;

function understand(text) {
  try {
    return text.trimStart().startsWith("<") ? xml.parse(text) : JSON.parse(text);
  } catch {
    return null;
  }
}

async function keep(chunks) {
  const name = path.join(folder, `${process.pid}-${number++}`);
  const file = await fs.open(`${name}.part`, "wx", 0o600);
  try {
    await file.writev(chunks);
    await file.sync();
  } finally {
    await file.close();
  }
  await fs.rename(`${name}.part`, name);
  const directory = await fs.open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

http
  .createServer((request, response) => {
    const chunks = [];
    const kept = () => keep(chunks).then(() => response.writeHead(200, { "Content-Length": 0 }).end());
    request.on("data", (chunk) => chunks.push(chunk));
    if (!(request.headers["content-type"] || "").startsWith("multipart/")) {
      request.on("end", () => {
        understand(Buffer.concat(chunks).toString());
        kept();
      });
      return;
    }
    const parser = busboy({ headers: request.headers });
    parser.on("field", (name, value) => understand(value));
    parser.on("file", (name, stream, info) => {
      const parts = [];
      stream.on("data", (part) => parts.push(part));
      stream.on("close", () => {
        if (info.mimeType === "application/json") understand(Buffer.concat(parts).toString());
      });
    });
    parser.on("close", kept);
    request.pipe(parser);
  })
  .listen(Number(port), "127.0.0.1", 1024);
