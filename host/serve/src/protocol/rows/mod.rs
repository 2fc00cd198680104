//! The rows of a request, straight into the matrix that a model scores.
//!
//! The rule for names is that of `predict` ([`Model::match_columns`](hydra_lightgbm::Model::match_columns)): columns are found by name
//! in any order, others are ignored and counted, and columns without names are taken by position if their number is that of the
//! features. Rows as lists (`instances`, `inputs`, a tensor that is a matrix) are arrays as in LightGBM: their columns have no names,
//! and numbers in columns of categories are codes. All other forms are tables, in which categories are what training saw.

mod cell;
mod files;
mod forms;
mod infer;
mod params;
mod records;
mod refusal;
mod scan;
mod schema;
mod table;
mod tensor;

use hydra_lightgbm::{Layout, Matrix};

use scan::Read;

pub(crate) use files::TableFormat;
pub(crate) use forms::Forms;
pub(crate) use infer::{Infer, check_output};
pub(crate) use params::{Param, Params};
pub(crate) use refusal::{Cause, Refusal};
pub(crate) use schema::{Declared, Schema};
pub(crate) use tensor::{Data, Datatype, Shape, Tensor};

/// The name of the only output in the Open Inference Protocol: that of MLServer's runtime for LightGBM.
pub(crate) const OUTPUT: &str = "predict";

/// What a request may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The most bytes of a body, after decompression.
    pub(crate) body: usize,
    /// The most rows.
    pub(crate) rows: usize,
    /// The most columns.
    pub(crate) columns: usize,
}

/// The rows of a request, with what its answer needs.
#[derive(Debug)]
pub(crate) struct Rows {
    values: Vec<f64>,
    count: usize,
    columns: usize,
    layout: Layout,
    ignored: usize,
    params: Params,
    wanted: Wanted,
}

/// What the answer of a request in the Open Inference Protocol needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The id, which the answer repeats.
    pub(crate) id: Option<String>,
    /// Whether the output is sent as raw bytes.
    pub(crate) binary: bool,
}

impl Limits {
    /// The most values of the features. Numbers are those of the densest text of this size, of a digit and a comma each; larger values
    /// take no more memory together.
    fn values<C>(&self) -> usize {
        (self.body / 2).saturating_mul(size_of::<f64>()) / size_of::<C>().max(size_of::<f64>())
    }
}

impl Rows {
    /// Reads a JSON body in one of the forms of MLflow or KServe.
    pub(crate) fn from_json(schema: &Schema, limits: &Limits, forms: Forms, body: &[u8]) -> Read<Self> {
        check_size(limits, body)?;
        let reader = forms::Reader { schema, limits };
        if schema.has_categories() {
            let (block, params) = reader.request(body, forms)?;
            let (rows, ignored) = (block.rows, block.ignored);
            let (values, is_column_major) = table::of_values(schema, block)?;
            let layout = if is_column_major { Layout::ColumnMajor } else { Layout::RowMajor };
            return Ok(Self { ignored, params, ..Self::new(schema, values, rows, layout)? });
        }
        let (block, params) = reader.request::<f64>(body, forms)?;
        let rows = Self::new(schema, block.values, block.rows, Layout::RowMajor)?;
        Ok(Self { ignored: block.ignored, params, ..rows })
    }

    /// Reads a body of CSV with a header, or a Parquet file.
    pub(crate) fn from_table(
        schema: &Schema,
        limits: &Limits,
        format: TableFormat,
        body: &bytes::Bytes,
    ) -> Read<Self> {
        check_size(limits, body)?;
        let (values, rows, ignored) = files::read(schema, limits, format, body)?;
        Ok(Self { ignored, ..Self::new(schema, values, rows, Layout::RowMajor)? })
    }

    /// Reads a request of the Open Inference Protocol over HTTP. `json_length` is the length of the JSON before raw tensors, which
    /// the header `Inference-Header-Content-Length` has.
    pub(crate) fn from_infer(
        schema: &Schema,
        limits: &Limits,
        json_length: Option<usize>,
        body: &[u8],
    ) -> Read<Self> {
        check_size(limits, body)?;
        Self::from_tensors(schema, limits, infer::read(body, json_length, limits)?)
    }

    /// The rows that the tensors of a request are.
    pub(crate) fn from_tensors(schema: &Schema, limits: &Limits, request: Infer<'_>) -> Read<Self> {
        let Infer { tensors, params, wanted } = request;
        let assembled = tensor::assemble(forms::Reader { schema, limits }, tensors)?;
        let layout = if assembled.is_column_major { Layout::ColumnMajor } else { Layout::RowMajor };
        let rows = Self::new(schema, assembled.values, assembled.rows, layout)?;
        Ok(Self { ignored: assembled.ignored, params, wanted, ..rows })
    }

    fn new(schema: &Schema, values: Vec<f64>, count: usize, layout: Layout) -> Read<Self> {
        let columns = schema.width();
        let rows = Self {
            values,
            count,
            columns,
            layout,
            ignored: 0,
            params: Params::default(),
            wanted: Wanted::default(),
        };
        schema.check_integers(&rows.matrix_or_refuse()?)?;
        Ok(rows)
    }

    fn matrix_or_refuse(&self) -> Read<Matrix<'_>> {
        Matrix::new(&self.values, self.count, self.columns, self.layout)
            .map_err(|error| Refusal::because(Cause::Internal, error))
    }

    /// The values, for predictions.
    pub(crate) fn matrix(&self) -> Matrix<'_> {
        match self.matrix_or_refuse() {
            Ok(matrix) => matrix,
            Err(_) => unreachable!("the number of values was checked when the rows were made"),
        }
    }

    /// The number of rows, at least 1.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// How many columns were ignored, because they are not features.
    pub(crate) fn ignored(&self) -> usize {
        self.ignored
    }

    /// What is asked of `predict`.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    /// What the answer needs.
    pub(crate) fn wanted(&self) -> &Wanted {
        &self.wanted
    }
}

fn check_size(limits: &Limits, body: &[u8]) -> Read<()> {
    if body.len() > limits.body {
        return Err(Refusal::because(Cause::BodySize, format_args!("more than {} bytes", limits.body)));
    }
    Ok(())
}
