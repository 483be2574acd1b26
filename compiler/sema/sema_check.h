// What is checked and described beside evaluation: entries, train blocks, checkpoints, the file's
// tokenizer and init.
#ifndef BIGSC_SEMA_CHECK_H
#define BIGSC_SEMA_CHECK_H
#include "compiler/sema/sema_internal.h"

// m->file becomes one file with all that it uses (sema_use.c).
void sema_use_files(Sema *s);
// ---- of those: what goes on `from` u, as one declaration (sema_extend.c)
Decl *sema_extend(Sema *s, const Decl *d, const Decl *u);
char *sema_read_text(Model *m, const char *path, Span at, size_t *size); // NULL: reported
void sema_check_unused(Sema *s, const char *what, bool untyped);
AxList sema_typed_axis(Sema *s, const TDim *d);         // of a type that no text wrote
Ty sema_entry_type(Sema *s, const Stmt *st, Value **v); // as written, or that of *v, made a tensor
Ty sema_entry_checked(Sema *s, const Stmt *st);         // the same after the check
void sema_describe(Sema *s);
void sema_check_tokenizer(Sema *s, const Expr *e);
void sema_check_file_init(Sema *s);
void sema_check_train(Sema *s, const Decl *d);
void sema_check_tags(Sema *s);
bool sema_build_start(Sema *s, Model *m, Graph *g, bool dropout); // in the model's own body
void sema_check_next(Sema *s, const Decl *d, int i);              // item i of a train block
void sema_check_checkpoint(Sema *s, const Decl *d);
void sema_check_init(Sema *s, const Stmt *st, const Ty *t);
void sema_model_value(Sema *s, Name name, const Ty *t, ModelValue *out);
Frame *sema_train_frame(Sema *s,
                        const Decl *d); // a frame over the model's, with the block's fields bound
const Expr *sema_train_loss(const Decl *d);
// A number from lo to hi; false: reported, as `what`.
bool sema_number(Sema *s, const Expr *e, const char *what, double lo, double hi, double *out);
// Is it a schedule, or a number times one?  What calls a name that nothing has counts as one, for its message.
bool sema_is_schedule(Sema *s, const Expr *e);
// `x * (warmup(n) then linear(to: y))`: *number is x, or 1.  False: reported, as `what`, "a rate".
bool sema_schedule(Sema *s, const Expr *e, const char *what, double *number, Schedule *v);
double schedule_most(const Schedule *v); // of the levels that it ends at, and 1
double schedule_least(const Schedule *v);
void sema_train_data(Sema *s, const TrItem *it, Recipe *r); // r NULL: the values alone
#endif
