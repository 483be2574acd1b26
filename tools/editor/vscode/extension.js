// Speaks with `bigsc lsp`, by the language server protocol, with nothing but VS Code's own interface.
"use strict";
const vscode = require("vscode");
const { spawn } = require("child_process");

class Server {
  constructor(command, onNotice, onEnd) {
    this.waiting = new Map();
    this.next = 1;
    this.heard = Buffer.alloc(0);
    this.onNotice = onNotice;
    this.process = spawn(command, ["lsp"], { stdio: ["pipe", "pipe", "ignore"] });
    this.process.on("error", onEnd);
    this.process.stdin.on("error", () => {}); // it went away: onEnd tells
    this.process.stdout.on("data", (data) => this.take(data));
  }

  send(message) {
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
    this.process.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.process.stdin.write(body);
  }

  notify(method, params) {
    this.send({ method, params });
  }

  request(method, params) {
    const id = this.next++;
    this.send({ id, method, params });
    return new Promise((resolve) => this.waiting.set(id, resolve));
  }

  take(data) {
    this.heard = Buffer.concat([this.heard, data]);
    for (;;) {
      const end = this.heard.indexOf("\r\n\r\n");
      const length = end < 0 ? null : /Content-Length: (\d+)/i.exec(this.heard.toString("ascii", 0, end));
      if (!length || this.heard.length < end + 4 + Number(length[1])) return;
      const from = end + 4, to = from + Number(length[1]);
      const message = JSON.parse(this.heard.toString("utf8", from, to));
      this.heard = this.heard.subarray(to);
      this.answer(message);
    }
  }

  answer(message) {
    if (message.method) return this.onNotice(message.method, message.params);
    const resolve = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (resolve) resolve(message.result);
  }
}

const range = (r) => new vscode.Range(r.start.line, r.start.character, r.end.line, r.end.character);
const location = (l) => new vscode.Location(vscode.Uri.parse(l.uri), range(l.range));

function diagnostic(d) {
  const severity = d.severity === 1 ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning;
  const out = new vscode.Diagnostic(range(d.range), d.message, severity);
  out.code = d.code;
  out.source = d.source;
  out.relatedInformation = (d.relatedInformation || []).map(
    (r) => new vscode.DiagnosticRelatedInformation(location(r.location), r.message));
  return out;
}

// LSP counts kinds from 1, VS Code from 0.
function completion(c) {
  const out = new vscode.CompletionItem(c.label, c.kind - 1);
  out.detail = c.detail;
  return out;
}

let server = null;

async function activate(context) {
  const shown = vscode.languages.createDiagnosticCollection("bigsc");
  const command = vscode.workspace.getConfiguration("bigsc").get("path") || "bigsc";
  const notice = (method, params) => {
    if (method === "textDocument/publishDiagnostics")
      shown.set(vscode.Uri.parse(params.uri), params.diagnostics.map(diagnostic));
  };
  server = new Server(command, notice, (e) => {
    server = null;
    vscode.window.showWarningMessage(`bigsc: ${e.message}; the setting bigsc.path says where the program is`);
  });
  await server.request("initialize", { processId: process.pid, rootUri: null, capabilities: {} });
  server.notify("initialized", {});

  const ours = (d) => server && d.languageId === "bigsc";
  const named = (d) => ({ uri: d.uri.toString(), version: d.version });
  const at = (d, p) => ({ textDocument: named(d), position: { line: p.line, character: p.character } });
  const open = (d) =>
    ours(d) && server.notify("textDocument/didOpen", { textDocument: { ...named(d), languageId: "bigsc", text: d.getText() } });
  const ask = async (what, params, make) => {
    const result = server && (await server.request(`textDocument/${what}`, params));
    return result ? make(result) : undefined;
  };

  vscode.workspace.textDocuments.forEach(open);
  context.subscriptions.push(
    shown,
    vscode.workspace.onDidOpenTextDocument(open),
    vscode.workspace.onDidChangeTextDocument(({ document: d }) =>
      ours(d) && server.notify("textDocument/didChange", { textDocument: named(d), contentChanges: [{ text: d.getText() }] })),
    vscode.workspace.onDidCloseTextDocument((d) => ours(d) && server.notify("textDocument/didClose", { textDocument: named(d) })),
    vscode.languages.registerHoverProvider("bigsc", {
      provideHover: (d, p) =>
        ask("hover", at(d, p), (r) => new vscode.Hover(new vscode.MarkdownString(r.contents.value), range(r.range))),
    }),
    vscode.languages.registerDefinitionProvider("bigsc", { provideDefinition: (d, p) => ask("definition", at(d, p), location) }),
    vscode.languages.registerCompletionItemProvider("bigsc",
      { provideCompletionItems: (d, p) => ask("completion", at(d, p), (r) => r.map(completion)) }, "."),
    vscode.languages.registerDocumentFormattingEditProvider("bigsc", {
      provideDocumentFormattingEdits: (d, options) =>
        ask("formatting", { textDocument: named(d), options }, (r) => r.map((e) => vscode.TextEdit.replace(range(e.range), e.newText))),
    }));
}

async function deactivate() {
  if (!server) return;
  await server.request("shutdown");
  server.notify("exit");
}

module.exports = { activate, deactivate };
