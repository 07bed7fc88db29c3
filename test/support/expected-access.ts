import { alignTable } from './access-matrix.ts';

/**
 * Who reaches what, in the terms of `accessMatrix`. Everybody who is not named for a table reaches nothing of it, with no
 * command: anon, the API's login before it takes a role, the login of backups, that of migrations, and so on.
 * The owner is shown to prove that row-level security is forced; nobody logs in as it. The definer is the owner with a
 * tenant, which is what a definer function is that a request calls.
 */
export const expectedAccess: string = alignTable(`
  table                             actor      select    insert  update  delete  truncate
  app_public.tenants                member     own       -       -       -       -
  app_public.tenants                service    own       -       -       -       -
  app_public.tenants                admin      own       -       -       -       -
  app_public.tenants                analyst    own       -       -       -       -
  app_public.tenants                unbound    none      -       -       -       -
  app_public.tenants                suspended  none      -       -       -       -
  app_public.tenants                owner      all       all     all     held    may
  app_public.tenants                definer    all       all     all     held    may
  app_public.agents                 member     own       own     own     -       -
  app_public.agents                 service    own       own     own     own     -
  app_public.agents                 admin      own       own     own     own     -
  app_public.agents                 analyst    own       -       -       -       -
  app_public.agents                 unbound    none      -       -       -       -
  app_public.agents                 suspended  none      -       -       -       -
  app_public.agents                 owner      none      none    none    none    may
  app_public.agents                 definer    none      none    none    none    may
  app_public.tasks                  member     own       own     own     own     -
  app_public.tasks                  service    own       own     own     own     -
  app_public.tasks                  admin      own       own     own     own     -
  app_public.tasks                  analyst    own       -       -       -       -
  app_public.tasks                  unbound    none      -       -       -       -
  app_public.tasks                  suspended  none      -       -       -       -
  app_public.tasks                  worker     all       all     all     -       -
  app_public.tasks                  owner      none      none    none    none    may
  app_public.tasks                  definer    own       own     own     none    may
  app_public.task_leases            member     own       -       -       -       -
  app_public.task_leases            service    own       -       -       -       -
  app_public.task_leases            admin      own       -       -       -       -
  app_public.task_leases            analyst    own       -       -       -       -
  app_public.task_leases            unbound    none      -       -       -       -
  app_public.task_leases            suspended  none      -       -       -       -
  app_public.task_leases            worker     all       -       all     all     -
  app_public.task_leases            owner      none      none    none    none    may
  app_public.task_leases            definer    own       own     own     own     may
  app_public.task_attempts          member     own       -       -       -       -
  app_public.task_attempts          service    own       -       -       -       -
  app_public.task_attempts          admin      own       -       -       -       -
  app_public.task_attempts          analyst    own       -       -       -       -
  app_public.task_attempts          unbound    none      -       -       -       -
  app_public.task_attempts          suspended  none      -       -       -       -
  app_public.task_attempts          worker     -         all     -       -       -
  app_public.task_attempts          owner      none      none    none    none    may
  app_public.task_attempts          definer    own       own     none    none    may
  app_public.knowledge              member     own       own     own     own     -
  app_public.knowledge              service    own       own     own     own     -
  app_public.knowledge              admin      own       own     own     own     -
  app_public.knowledge              analyst    own       -       -       -       -
  app_public.knowledge              unbound    none      -       -       -       -
  app_public.knowledge              suspended  none      -       -       -       -
  app_public.knowledge              worker     all       -       all     -       -
  app_public.knowledge              owner      none      none    none    none    may
  app_public.knowledge              search     all       -       all     -       -
  app_public.knowledge              definer    none      none    none    none    may
  app_public.workflows              member     own       own     own     own     -
  app_public.workflows              service    own       own     own     own     -
  app_public.workflows              admin      own       own     own     own     -
  app_public.workflows              analyst    own       -       -       -       -
  app_public.workflows              unbound    none      -       -       -       -
  app_public.workflows              suspended  none      -       -       -       -
  app_public.workflows              worker     all       -       all     -       -
  app_public.workflows              owner      none      none    none    none    may
  app_public.workflows              definer    own       none    own     none    may
  app_public.workflow_steps         member     own       -       -       -       -
  app_public.workflow_steps         service    own       -       -       -       -
  app_public.workflow_steps         admin      own       -       -       -       -
  app_public.workflow_steps         analyst    own       -       -       -       -
  app_public.workflow_steps         unbound    none      -       -       -       -
  app_public.workflow_steps         suspended  none      -       -       -       -
  app_public.workflow_steps         worker     all       -       all     -       -
  app_public.workflow_steps         owner      none      none    none    none    may
  app_public.workflow_steps         definer    own       own     own     own     may
  app_public.sessions               service    own       own     own     own     -
  app_public.sessions               admin      own       own     -       own     -
  app_public.sessions               owner      all       none    all     none    may
  app_public.sessions               definer    all       none    all     own     may
  app_public.user_sessions          service    own       -       -       -       -
  app_public.user_sessions          admin      own       -       -       -       -
  app_public.user_sessions          analyst    own       -       -       -       -
  app_public.user_sessions          unbound    none      -       -       -       -
  app_public.user_sessions          suspended  none      -       -       -       -
  app_public.user_sessions          owner      none      none    none    none    -
  app_public.user_sessions          definer    own       none    own     own     -
  app_public.metrics                member     own       -       -       -       -
  app_public.metrics                service    own       own     -       -       -
  app_public.metrics                admin      own       own     -       -       -
  app_public.metrics                analyst    own       -       -       -       -
  app_public.metrics                unbound    none      -       -       -       -
  app_public.metrics                suspended  none      -       -       -       -
  app_public.metrics                worker     all       -       -       -       -
  app_public.metrics                owner      none      none    none    none    may
  app_public.metrics                definer    none      none    none    none    may
  app_public.metrics_minute         member     own       -       -       -       -
  app_public.metrics_minute         service    own       -       -       -       -
  app_public.metrics_minute         admin      own       -       -       -       -
  app_public.metrics_minute         analyst    own       -       -       -       -
  app_public.metrics_minute         unbound    none      -       -       -       -
  app_public.metrics_minute         suspended  none      -       -       -       -
  app_public.metrics_minute         worker     all       all     all     -       -
  app_public.metrics_minute         owner      none      none    none    none    may
  app_public.metrics_minute         definer    none      none    none    none    may
  app_public.metrics_hour           member     own       -       -       -       -
  app_public.metrics_hour           service    own       -       -       -       -
  app_public.metrics_hour           admin      own       -       -       -       -
  app_public.metrics_hour           analyst    own       -       -       -       -
  app_public.metrics_hour           unbound    none      -       -       -       -
  app_public.metrics_hour           suspended  none      -       -       -       -
  app_public.metrics_hour           worker     all       all     all     -       -
  app_public.metrics_hour           owner      none      none    none    none    may
  app_public.metrics_hour           definer    none      none    none    none    may
  app_public.metrics_day            member     own       -       -       -       -
  app_public.metrics_day            service    own       -       -       -       -
  app_public.metrics_day            admin      own       -       -       -       -
  app_public.metrics_day            analyst    own       -       -       -       -
  app_public.metrics_day            unbound    none      -       -       -       -
  app_public.metrics_day            suspended  none      -       -       -       -
  app_public.metrics_day            worker     all       all     all     -       -
  app_public.metrics_day            owner      none      none    none    none    may
  app_public.metrics_day            definer    none      none    none    none    may
  audit.log                         admin      own       -       -       -       -
  audit.log                         operator   nobody's  -       -       -       -
  audit.log                         owner      none      all     none    none    may
  audit.log                         definer    none      all     none    none    may
  ops.tenants                       operator   all       -       -       -       -
  ops.tenants                       owner      all       all     all     held    -
  ops.tenants                       definer    all       all     all     held    -
  app_private.tenant_logins         owner      all       all     all     all     may
  app_private.tenant_logins         definer    all       all     all     all     may
  app_private.events                owner      all       all     all     all     may
  app_private.events                definer    all       all     all     all     may
  app_private.event_marks           owner      all       all     all     all     may
  app_private.event_marks           definer    all       all     all     all     may
  app_public.metrics (a partition)  owner      none      none    none    none    may
  app_public.metrics (a partition)  definer    none      none    none    none    may
  audit.log (a partition)           owner      none      none    none    none    may
  audit.log (a partition)           definer    none      none    none    none    may
`);
