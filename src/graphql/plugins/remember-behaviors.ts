type Behavior = GraphileBuild.Build['behavior'];

/**
 * Remembers answers about behaviors while a schema is built. For each field PostGraphile asks what its table or column shows,
 * and parses the same long texts again for each answer, which takes more than half of the time of a build. An answer depends on the
 * kind of entity, the filter and the text of the entity's behaviors, and on nothing else.
 */
export const RememberBehaviorsPlugin: GraphileConfig.Plugin = {
  name: 'RememberBehaviorsPlugin',
  description: 'Remembers answers about behaviors while a schema is built',
  schema: {
    hooks: {
      // PostGraphile sets it after the last of these hooks and freezes it at once, so this is the only door.
      build: (build) => {
        let behavior: Behavior;
        return Object.defineProperty(build, 'behavior', {
          configurable: true,
          enumerable: true,
          get: () => behavior,
          set: (made: Behavior) => {
            behavior = Object.assign(made, {
              entityMatches: rememberedMatches(made),
              getPreferencesAppliedBehaviors: rememberedTexts(made),
            });
          },
        });
      },
    },
  },
};

function rememberedMatches(behavior: Behavior): Behavior['entityMatches'] {
  const ask = behavior.entityMatches.bind(behavior);
  const known = new Map<string, Map<string, boolean | undefined>>();
  return (entityType, entity, filter) => {
    const question = `${entityType} ${filter}`;
    const answers = known.get(question) ?? new Map<string, boolean | undefined>();
    known.set(question, answers);
    const text = behavior.getBehaviorForEntity(entityType, entity).behaviorString;
    if (!answers.has(text)) answers.set(text, ask(entityType, entity, filter));
    return answers.get(text);
  };
}

/** Most columns have the text of another one. `stack`, which tells developers where a text is from, is the other's. */
function rememberedTexts(behavior: Behavior): Behavior['getPreferencesAppliedBehaviors'] {
  const ask = behavior.getPreferencesAppliedBehaviors.bind(behavior);
  const known = new Map<string, ReturnType<typeof ask>>();
  return (entityType, inferred, override) => {
    const question = `${entityType}\n${inferred.behaviorString}\n${override.behaviorString}`;
    const answer = known.get(question) ?? ask(entityType, inferred, override);
    known.set(question, answer);
    return answer;
  };
}
