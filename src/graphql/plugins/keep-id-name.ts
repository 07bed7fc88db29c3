/** The column `id` is `id`. PostGraphile calls it `rowId` to keep `id` for global object ids, which we do not have. */
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
