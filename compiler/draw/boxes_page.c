// The page around boxes that fold: its style, and the script that folds.
#include "compiler/draw/boxes.h"
#include "compiler/draw/svg.h"

static const char style[] =
    ":root{color-scheme:light "
    "dark;--paper:#fff;--text:#1f2933;--faint:#616e7c;--rule:#d9dee4;--mark:#fff3c4}"
    "@media(prefers-color-scheme:dark){:root{--paper:#12171d;--text:#e4e7eb;--faint:#9aa5b1;--rule:"
    "#323f4b;--mark:#4a3f14}}"
    "body{margin:0;font:14px/1.45 "
    "sans-serif;background:var(--paper);color:var(--text);display:flex;align-items:flex-start}"
    "main{flex:1 1 auto;min-width:0;overflow-x:auto;padding:0 8px}"
    "aside{flex:0 0 "
    "26em;position:sticky;top:0;max-height:100vh;overflow:auto;box-sizing:border-box;"
    "border-left:1px solid var(--rule);padding:1em}"
    "h2{font-size:1.1em;margin:.2em 0;overflow-wrap:anywhere}p{margin:.4em 0;color:var(--faint)}"
    "button{font:inherit;margin:.3em .5em .6em 0;padding:.15em .8em;cursor:pointer}"
    "table{border-collapse:collapse;width:100%;font-size:12px}"
    "th,td{text-align:left;vertical-align:top;padding:.3em .5em .3em 0;border-bottom:1px solid "
    "var(--rule)}"
    "td{overflow-wrap:anywhere}.n{text-align:right;white-space:nowrap}small{color:var(--faint);"
    "font-size:11px}"
    ".boxes .box[tabindex]{cursor:pointer}.boxes .box:focus{outline:none}"
    ".boxes .chosen>rect:first-child,.boxes "
    ".box:focus-visible>rect:first-child{stroke:var(--badge);stroke-width:2.2}"
    "@media(max-width:60em){body{display:block}aside{position:static;max-height:none;border-left:0}"
    "}"
    "@media print{aside,button{display:none}}";

// Rows keep their columns: only heights change.  What is computed here is what boxes_svg.c computes.
static const char script[] =
    "(()=>{\n"
    "const "
    "svg=document.querySelector('svg.boxes'),all=[...svg.querySelectorAll('g.box')],num=s=>s?s."
    "split(' ').map(Number):[];\n"
    "const "
    "kids=(g,c)=>[...g.children].filter(e=>e.classList.contains(c)),inside=g=>kids(g,'in')[0];\n"
    "const path=(w,ends,from,to,rows)=>{let d='',old=0,x=0,y=0;const n=w.length/2;\n"
    " for(let i=0;i<n;i++){x=w[2*i];const "
    "r=rows[w[2*i+1]],y0=i?r[0]:from.y+from.h;y=i+1<n?r[1]:to.y;\n"
    "  d+=i?'C'+[w[2*i-2],(old+y0)/2,x,(old+y0)/2,x,y0].join(' '):'M'+x+' '+y0;d+='V'+y;old=y}\n"
    " return ends[2]?d+'M'+(x-3.5)+' '+(y-6)+'L'+x+' '+y+'L'+(x+3.5)+' '+(y-6):d};\n"
    "const lay=g=>{const b=kids(g,'box'),rows=[],gaps=num(g.dataset.gaps);\n"
    " for(const c of b){c.h=size(c);const r=+c.dataset.row;rows[r]=Math.max(rows[r]||0,c.h+ "
    "+c.dataset.room)}\n"
    " let y=0;for(let r=0;r<rows.length;r++){const "
    "h=rows[r]||0;rows[r]=[y,y+h];y+=h+(gaps[r]||0)}\n"
    " for(const c of b){c.y=rows[+c.dataset.row][0];\n"
    "  c.setAttribute('transform',c.getAttribute('transform').replace(/ [^ ]*\\)/,' '+c.y+')'))}\n"
    " for(const e of kids(g,'edge'))if(e.dataset.way){const n=num(e.dataset.ends);\n"
    "  e.setAttribute('d',path(num(e.dataset.way),n,b[n[0]],b[n[1]],rows))}\n"
    " return y};\n"
    "const size=c=>{const g=inside(c);let h=+c.dataset.h;\n"
    " if(g){g.style.display=c.folded?'none':'';kids(c,'sign')[0].textContent=c.folded?'+':'\\u2212'"
    ";\n"
    "  h=c.folded?+c.dataset.head+4:+c.dataset.head+lay(g)+ "
    "+c.dataset.tail;c.setAttribute('aria-expanded',!c.folded)}\n"
    " const r=c.querySelector(':scope>rect');if(r)r.setAttribute('height',h);\n"
    " for(const t of kids(c,'axes'))t.setAttribute('y',h+11);return h};\n"
    "const root=svg.querySelector('g.in'),view=svg.viewBox.baseVal,rest=view.height-lay(root);\n"
    "const draw=()=>{const h=rest+lay(root);svg.setAttribute('viewBox','0 0 '+view.width+' "
    "'+h);svg.setAttribute('height',h)};\n"
    "const "
    "rows=[...document.querySelectorAll('tr[data-path]')],head=document.getElementById('whose'),"
    "none=document.getElementById('none');\n"
    "const choose=c=>{const p=c?c.dataset.path:'';let n=0;\n"
    " for(const b of all)b.classList.toggle('chosen',b===c);\n"
    " for(const r of rows){const "
    "q=r.dataset.path,on=!p||q===p||q.startsWith(p+'.');r.hidden=!on;n+=on}\n"
    " if(head)head.textContent=p||'all';if(none)none.hidden=n>0};\n"
    "for(const c of "
    "all){if(inside(c)||c.dataset.path){c.setAttribute('tabindex',0);c.setAttribute('role','button'"
    ")}\n"
    " c.folded=!!inside(c)&&'as' in c.dataset}\n"
    "const act=(c,fold)=>{choose('path' in "
    "c.dataset?c:null);if(fold&&inside(c)){c.folded=!c.folded;draw()}};\n"
    "svg.addEventListener('click',e=>{const c=e.target.closest('g.box[tabindex]');if(!c)return "
    "choose(null);\n"
    " act(c,e.clientY-c.getBoundingClientRect().top<=+c.dataset.head*svg.getBoundingClientRect()."
    "height/svg.viewBox.baseVal.height)});\n"
    "svg.addEventListener('keydown',e=>{if(e.key==='Enter'||e.key===' "
    "'){e.preventDefault();act(e.target,true)}});\n"
    "for(const f of [0,1]){const b=document.getElementById(f?'fold':'open');b.hidden=false;\n"
    " b.addEventListener('click',()=>{for(const c of all)c.folded=!!f&&!!inside(c);draw()})}\n"
    "draw();choose(null);\n"
    "})();\n";

void boxes_page_begin(FILE *f, const char *title) {
  fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
        f);
  xml_text(f, title);
  fprintf(f, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n", style);
}

void boxes_page_aside(FILE *f) {
  fputs("</main>\n<aside>\n<button id=\"open\" hidden>open all</button><button id=\"fold\" "
        "hidden>fold all</button>\n",
        f);
}

void boxes_page_end(FILE *f) {
  fprintf(f, "</aside>\n<script>\n%s</script>\n</body>\n</html>\n", script);
}
