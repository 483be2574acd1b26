// -o model.html: the boxes, and beside them the kernels that the compiler makes of them.
#include "compiler/commands/picture_internal.h"
#include "compiler/commands/drawing.h"
#include "compiler/draw/html.h"
#include "compiler/draw/svg.h"
#include "runtime/exec/exec.h"
#include <string.h>

// The dims of the module by the sizes of the picture.
static void dims_of(Session *s, const ModelPicture *made, int64_t *dims) {
  const BigsModule *m = s->build.module;
  const ModelDim *dim;
  int n = model_dims(s->model, &dim);
  for (int k = 0; k < MAX_SYMS; k++)
    dims[k] = 1;
  for (int k = 0; k < m->ndim; k++)
    for (int i = 0; i < n; i++)
      if (dim_is_given(&dim[i]) && !strcmp(dim[i].name, m->dim[k].name))
        dims[k] = made->dims[dim[i].sym];
  complete_sizes(m, dims);
}

static double size_at(const BigsModule *m, BigsSize size, const int64_t *dims) {
  return (double)poly_eval(module_poly(m, size), dims);
}

static void put_number(Session *s, FILE *f, double x, const char *unit) {
  fprintf(f, "<td class=\"n\">%s</td>", x > 0 ? pic_amount(s->arena, x, unit) : "");
}

// "layer.0.norm, bert.mdl:27"
static const char *whence(Session *s, const BigsStep *step) {
  const char *source = step->source ? step->source : "", *slash = strrchr(source, '/');
  source = slash ? slash + 1 : source;
  return step->module ? session_text(s, "%s, %s", step->module, source) : source;
}

static void put_step(Session *s, FILE *f, const BigsStep *step, const int64_t *dims,
                     const double *ms) {
  const BigsModule *m = s->build.module;
  const char *kernel = step->kind == BIGS_KERNEL ? s->build.kernels[step->index]->name : "library";
  fputs("<tr data-path=\"", f);
  xml_text(f, step->module ? step->module : "");
  fputs("\"><td>", f);
  xml_text(f, kernel);
  fputs("</td><td>", f);
  xml_text(f, step->label ? step->label : "");
  fputs("<br><small>", f);
  xml_text(f, whence(s, step));
  fputs("</small></td>", f);
  put_number(s, f, step_flops(m, step, dims), "FLOP");
  put_number(s, f, size_at(m, step->bytes, dims), "B");
  if (ms)
    fprintf(f, "<td class=\"n\">%.3g</td>", *ms);
  fputs("</tr>\n", f);
}

static void put_kernels(Session *s, FILE *f, const PictureWant *want, const ModelPicture *made) {
  static const char *const head[] = {"kernel", "what is fused in it", "FLOP", "bytes", "ms"};
  const BigsProgram *p = &s->build.module->program[0];
  int64_t dims[MAX_SYMS];
  dims_of(s, made, dims);
  fputs("<h2>Kernels: <span id=\"whose\">all</span></h2>\n"
        "<p>A click on a box shows the kernels that begin in it; one on its title folds or opens "
        "it.</p>\n"
        "<p id=\"none\" hidden>No kernel begins here: what it does is fused into kernels of "
        "others.</p>\n",
        f);
  bool timed = want->time && want->ntime == p->nstep;
  html_head(f, head, COUNT(head) - !timed);
  for (int i = 0; i < p->nstep; i++)
    put_step(s, f, &p->step[i], dims, timed ? &want->time[i].ms : NULL);
  html_close(f, "table");
}

int picture_page(Session *s, FILE *f, const PictureWant *want, const ModelPicture *made) {
  BuildWant w = {.entries = &want->entry, .nentries = 1};
  BuildOptions b = session_build_options(s->o);
  bool built = build_until(&s->build, s->arena, s->names, s->diags, s->model, &w, &b, PASS_plan);
  int status = session_diags(s, EXIT_MODEL);
  if (!built || status)
    return EXIT_MODEL;
  boxes_page_begin(f, made->title);
  boxes_svg(f, &(BoxPicture){made->root, made->title, made->note, 2, true});
  boxes_page_aside(f);
  put_kernels(s, f, want, made);
  boxes_page_end(f);
  return 0;
}
