//! Tables as Apache Parquet: one row group, every column optional.

use super::tables::{Kind, Table, Value};
use parquet::{
    basic::{LogicalType, Repetition, Type as PhysicalType},
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};
use std::sync::Arc;

/// The table as the bytes of a file.
pub fn bytes(table: &Table) -> anyhow::Result<Vec<u8>> {
    let fields: Vec<Arc<Type>> = table
        .columns
        .iter()
        .map(|(name, kind)| {
            let (physical, logical) = match kind {
                Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
                Kind::Integer => (PhysicalType::INT64, None),
                Kind::Real => (PhysicalType::DOUBLE, None),
            };
            let field = Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical);
            field.build().map(Arc::new)
        })
        .collect::<Result<_, _>>()?;
    let schema = Arc::new(Type::group_type_builder(table.name).with_fields(fields).build()?);
    let properties = Arc::new(WriterProperties::builder().set_created_by("apical".to_owned()).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let mut group = writer.next_row_group()?;
    for (index, (_, kind)) in table.columns.iter().enumerate() {
        let column = || table.rows.iter().filter_map(move |row| row.get(index));
        match kind {
            Kind::Text => write_column::<ByteArrayType>(
                &mut group,
                column().map(|value| match value {
                    Value::Text(text) => text.as_deref().map(ByteArray::from),
                    _ => None,
                }),
            )?,
            Kind::Integer => write_column::<Int64Type>(
                &mut group,
                column().map(|value| match value {
                    Value::Integer(number) => *number,
                    _ => None,
                }),
            )?,
            Kind::Real => write_column::<DoubleType>(
                &mut group,
                column().map(|value| match value {
                    Value::Real(number) => *number,
                    _ => None,
                }),
            )?,
        }
    }
    group.close()?;
    Ok(writer.into_inner()?)
}

/// Writes the next column. A missing value has definition level 0 and no place among the values.
fn write_column<T: DataType>(
    group: &mut parquet::file::writer::SerializedRowGroupWriter<'_, Vec<u8>>,
    values: impl Iterator<Item = Option<T::T>>,
) -> anyhow::Result<()> {
    let values: Vec<Option<T::T>> = values.collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<T::T> = values.into_iter().flatten().collect();
    let mut column =
        group.next_column()?.ok_or_else(|| anyhow::anyhow!("the table has more columns than its schema"))?;
    column.typed::<T>().write_batch(&present, Some(&levels), None)?;
    column.close()?;
    Ok(())
}
