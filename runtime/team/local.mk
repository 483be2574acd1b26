# Ranks that train together on processors; and the plugin that connects them, which bigsc opens where it is there.
team_sources = \
	%D%/wire.h \
	%D%/wire_team.c \
	%D%/wire_team.h
