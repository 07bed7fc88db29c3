-- Notes the obstacle that a removal met, for ops.partition_removals. Definer: nobody writes the table by hand.
create or replace function ops.note_removal_problem(partition text, problem text) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  update ops.partition_removals r
  set problem = left(note_removal_problem.problem, 1000)
  where r.partition = note_removal_problem.partition;
end;

comment on function ops.note_removal_problem(text, text) is 'Notes the obstacle that the removal of a partition met, 1,000 characters at most.';
grant execute on function ops.note_removal_problem(text, text) to :WORKER;
