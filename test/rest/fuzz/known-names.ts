/** The names of a relation that a request about it may use with success. */
export interface Names {
  readonly columns: readonly string[];
  readonly embeds: readonly string[];
}

const names = (columns: string, embeds = ''): Names => ({
  columns: columns.split(' '),
  embeds: embeds === '' ? ['directors'] : embeds.split(' '),
});

/** The names that most functions return too. */
export const films = names(
  'id title year rating director_id language tags details decade title_year title_upper',
  'directors actors roles nominations technical_specs posters plots premieres box_office competitions director_id recent_films',
);
/** Relations of the conformance suite that requests may name in their path. */
export const relations: Readonly<Record<string, Names>> = {
  films,
  recent_films: names('id title year director_id', 'directors actors roles technical_specs'),
  film_titles: names('film_no name maker_id', 'directors actors technical_specs'),
  directors: names('id first_name last_name born full_name', 'films recent_films film_chain postcards'),
  actors: names('id first_name last_name full_name', 'films roles'),
  roles: names('film_id actor_id character', 'films actors'),
  nominations_view: names('film_title competition_name rank film_id', 'films roles actors'),
  technical_specs: names('film_id camera runtime', 'films'),
  plots: names('film_id body words', 'films'),
  prints: names('id label origin_vault_id current_vault_id', 'vaults vaults!origin vaults!whereabouts'),
  critics: names('id name', 'films!reviews films!favourites followers following films'),
  screenings: names('id house screen_number film_id starts', 'screens films'),
  crew: names('id name chief_id', 'chief assistants crew chief_id'),
  premieres: names('id place day film_id', 'film'),
  box_office: names('day film_id gross', 'films'),
  archive: names('id label film_id', 'films'),
  labels: names('name colour uses'),
  marks: names('id name'),
  loose: names('a b'),
  specimens: names(
    'id flag small big ratio amount label code day at span key bytes nums words grid period spot mood doc docb short numbers',
  ),
  shelves: names('mark room plain', 'boxes'),
  boxes: names('id shelf_mark label', 'shelves'),
  'Größe & Ort': names('id select a order'),
  موارد: names('id اسم'),
  contracts: names('id terms'),
  nowhere: names('id'),
};
/** Names that often exist one level further in. */
export const nested = names(
  'id film_id title name last_name * year',
  'directors films actors roles film shelves',
);

/** Functions that do not raise a 5xx, with the names of their arguments. */
export const functions: Readonly<Record<string, string>> = {
  add: 'a b',
  greet: 'name',
  all_films: '',
  films_of: 'y',
  film_by_id: 'film',
  film_names: '',
  film_stats: '',
  a_point: '',
  points: '',
  extremes: 'numbers',
  nothing_at_all: '',
  records: '',
  sum_all: 'numbers',
  plus_one: 'arr',
  json_length: 'items',
  'Mixed Case': 'Some Param',
  many_defaults: 'a b c',
  multiply: 'x y',
  json_type: 'x',
  text_length: 'x',
  byte_length: 'x',
  price: 'film currency',
  clash: 'value',
  store: 'a',
  rename_film: 'film new_title',
  drop_labels: '',
  page: 'name',
  members_only: '',
  nowhere: 'a',
};

/** Relations that may be written. */
export const writable = [
  'films',
  'labels',
  'marks',
  'loose',
  'recent_films',
  'shelves',
  'boxes',
  'Größe & Ort',
  'specimens',
  'contracts',
  'nowhere',
];
