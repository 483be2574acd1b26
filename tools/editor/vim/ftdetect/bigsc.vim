au BufNewFile,BufRead *.mdl set filetype=bigsc
