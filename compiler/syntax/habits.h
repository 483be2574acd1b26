// Help for what is written so in other languages.  Each returns NULL where there is nothing to say.
#ifndef BIGSC_HABITS_H
#define BIGSC_HABITS_H
const char *habit_sign(const char *sign);         // a character that no token starts with
const char *habit_word(const char *word);         // a name where a statement should have ended
const char *habit_operator(const char *operator); // two operators in a row, without a blank
const char *habit_method(const char *name);       // what is called behind a point: `x.reshape`
const char *habit_decl(const char *word);         // the keyword that is meant: "def" is "fn"
#endif
