/**
 * Keeps the name of the column `id`. PostGraphile would call it `rowId` to reserve `id` for global object ids, which
 * we do not use.
 */
export const KeepIdNamePlugin: GraphileConfig.Plugin = {
  name: 'KeepIdNamePlugin',
  version: '1.0.0',
  inflection: {
    replace: {
      _attributeName(previous, _options, details) {
        const name = previous?.(details) ?? details.attributeName;
        return details.attributeName === 'id' && name === 'row_id' ? 'id' : name;
      },
    },
  },
};
