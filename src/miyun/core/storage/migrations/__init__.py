"""One linear history of the schema. Revisions are explicit: they import no room's tables, which change later."""
