comment on type app_public.audit_row is 'A row at a moment, as far as the audit log knows it.';
comment on column app_public.audit_row.state is 'present, absent, or unknown: the log has nothing about the row.';
comment on column app_public.audit_row.row_values is 'The values that the log knows, under the names of that time; null unless the row is present.';
comment on column app_public.audit_row.unknown_columns is 'Columns that the row may have and whose value the log cannot tell.';
comment on column app_public.audit_row.digested_columns is 'Columns of which the log has a SHA-256 and not the value.';
comment on column app_public.audit_row.note is 'Why something is not known; null when everything is.';
