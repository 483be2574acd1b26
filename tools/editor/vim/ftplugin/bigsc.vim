" Models of bigsc: `gq` formats by bigsc fmt; Neovim starts the language server.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1
setlocal comments=:# commentstring=#\ %s
setlocal expandtab shiftwidth=2 softtabstop=2
setlocal formatprg=bigsc\ fmt\ -
let b:undo_ftplugin = "setlocal comments< commentstring< expandtab< shiftwidth< softtabstop< formatprg<"
if has("nvim") && executable("bigsc")
  lua vim.lsp.start({ name = "bigsc", cmd = { "bigsc", "lsp" } })
endif
