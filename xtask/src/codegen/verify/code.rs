//! The generated code as the check sees it: parsed as Rust, down to descriptors and signatures.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Expr, ExprLit, Field, File, FnArg, GenericArgument, Ident, ImplItem, Item, Lit,
    LitInt, LitStr, PathArguments, Token, Type,
};

/// Everything that the generated code can send and understand.
#[derive(Default)]
pub struct Code {
    /// API versions, oldest first, as `7.2`.
    pub versions: Vec<String>,
    pub requests: Vec<Request>,
    pub enums: BTreeMap<String, Vec<Word>>,
    pub structs: BTreeMap<String, Vec<(Word, RustType)>>,
    pub handles: BTreeSet<String>,
}

/// One descriptor with the method that sends it.
pub struct Request {
    pub name: Word,
    pub parameters: Vec<Word>,
    pub versions: u16,
    /// The element with the only result.
    output: String,
    /// The types of parameters and results; nothing where only the runtime calls it, by hand.
    pub types: Option<Types>,
}

pub struct Types {
    pub parameters: Vec<RustType>,
    pub results: Vec<(String, RustType)>,
}

/// A word with what older versions have for it.
#[derive(Clone)]
pub struct Word {
    pub newest: String,
    pub older: Vec<(String, u16)>,
}

/// A Rust type, without references, `Option` and `Vec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RustType {
    pub name: String,
    pub array: bool,
}

impl Word {
    /// As the version at `position` has it.
    pub fn at(&self, position: usize) -> &str {
        let older = self.older.iter().find(|(_, versions)| versions & (1 << position) != 0);
        older.map_or(&self.newest, |(word, _)| word)
    }
}

/// Reads all files of generated code in a directory.
pub fn read(directory: &Path) -> anyhow::Result<Code> {
    let mut code = Code::default();
    for entry in std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
    {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        read_file(&mut code, &text).with_context(|| format!("in {}", path.display()))?;
    }
    Ok(code)
}

fn read_file(code: &mut Code, text: &str) -> anyhow::Result<()> {
    let file: File = syn::parse_str(text)?;
    let mut descriptors = vec![];
    let mut types = HashMap::new();
    let outputs = outputs(&file)?;
    for item in &file.items {
        match item {
            Item::Static(item) => {
                descriptors.push((item.ident.to_string(), descriptor(&item.expr)?))
            }
            Item::Const(item) if item.ident == "API_VERSIONS" => {
                code.versions = versions(&item.expr)?;
            }
            Item::Macro(item) if item.mac.path.is_ident("open_enum") => {
                let OpenEnum { name, values } = item.mac.parse_body()?;
                code.enums.insert(name, values);
            }
            Item::Macro(item) if item.mac.path.is_ident("managed_object") => {
                code.handles.insert(item.mac.parse_body::<Handle>()?.0);
            }
            Item::Impl(item) if item.trait_.is_none() => {
                for member in &item.items {
                    if let ImplItem::Fn(method) = member {
                        let (constant, found) = method_types(method, &outputs)
                            .with_context(|| method.sig.ident.to_string())?;
                        types.entry(constant).or_insert_with(Vec::new).push(found);
                    }
                }
            }
            Item::Impl(item)
                if item.trait_.as_ref().is_some_and(|(path, _)| path.is_ident("Decode")) =>
            {
                let Type::Path(path) = &*item.self_ty else { continue };
                let name = path.path.require_ident()?.to_string();
                let fields = fields_of(&file, &name)?;
                code.structs.insert(name, struct_fields(item, &fields)?);
            }
            _ => {}
        }
    }
    for (constant, mut request) in descriptors {
        let mut found = types.remove(&constant).unwrap_or_default();
        request.types = found.pop();
        // The newest signature is sent by two methods, which must agree.
        let agree = found.iter().all(|other| {
            request.types.as_ref().is_some_and(|types| types.parameters == other.parameters)
        });
        ensure!(agree, "the methods that send {} differ", request.name.newest);
        let results = request.types.iter_mut().flat_map(|types| &mut types.results);
        for (name, _) in results.filter(|(name, _)| name.is_empty()) {
            name.clone_from(&request.output);
        }
        code.requests.push(request);
    }
    ensure!(types.is_empty(), "methods without a descriptor: {:?}", types.keys());
    Ok(())
}

/// The structs of several results: per name the elements with their types.
fn outputs(file: &File) -> anyhow::Result<HashMap<String, Vec<(String, RustType)>>> {
    let mut found = HashMap::new();
    for item in &file.items {
        let Item::Impl(item) = item else { continue };
        let is_outputs = item.trait_.as_ref().is_some_and(|(path, _)| path.is_ident("Outputs"));
        let Type::Path(path) = &*item.self_ty else { continue };
        if is_outputs {
            let name = path.path.require_ident()?.to_string();
            let fields = fields_of(file, &name)?;
            let mut results = vec![];
            for (field, call) in initialisers(item)? {
                let element = strings(&call).into_iter().next().context("no element")?;
                results.push((element, type_of(fields.get(&field).context("no field")?)?));
            }
            found.insert(name, results);
        }
    }
    Ok(found)
}

/// The fields of a struct in the file, with their types.
fn fields_of(file: &File, name: &str) -> anyhow::Result<HashMap<String, Type>> {
    let item = file.items.iter().find_map(|item| match item {
        Item::Struct(item) if item.ident == name => Some(item),
        _ => None,
    });
    let item = item.with_context(|| format!("no struct {name}"))?;
    let field = |field: &Field| {
        let name = field.ident.as_ref().context("a field without a name")?;
        Ok((name.to_string(), field.ty.clone()))
    };
    item.fields.iter().map(field).collect()
}

/// The elements that a structure is read from.
fn struct_fields(
    item: &syn::ItemImpl,
    fields: &HashMap<String, Type>,
) -> anyhow::Result<Vec<(Word, RustType)>> {
    let mut found = vec![];
    for (field, call) in initialisers(item)? {
        let mut words = strings(&call).into_iter();
        let newest = words.next().context("no element")?;
        // Any spelling is read, whatever the version.
        let older = words.map(|word| (word, u16::MAX)).collect();
        let ty = type_of(fields.get(&field).context("no field")?)?;
        found.push((Word { newest, older }, ty));
    }
    Ok(found)
}

/// The fields of the `Ok(Self { … })` in an impl's only function, with the calls that give them.
fn initialisers(item: &syn::ItemImpl) -> anyhow::Result<Vec<(String, Expr)>> {
    let Some(ImplItem::Fn(function)) = item.items.first() else { bail!("no function") };
    let Some(syn::Stmt::Expr(Expr::Call(call), None)) = function.block.stmts.last() else {
        bail!("no Ok(…) at the end")
    };
    let Some(Expr::Struct(value)) = call.args.first() else { bail!("no struct in Ok(…)") };
    let field = |field: &syn::FieldValue| match &field.member {
        syn::Member::Named(name) => Ok((name.to_string(), field.expr.clone())),
        syn::Member::Unnamed(_) => bail!("a field without a name"),
    };
    value.fields.iter().map(field).collect()
}

/// All string literals in the arguments of a call, `?` and arrays looked through.
fn strings(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::Try(inner) => strings(&inner.expr),
        Expr::Reference(inner) => strings(&inner.expr),
        Expr::MethodCall(call) => call.args.iter().flat_map(strings).collect(),
        Expr::Array(array) => array.elems.iter().flat_map(strings).collect(),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => vec![text.value()],
        _ => vec![],
    }
}

/// The field of a struct expression.
fn field<'a>(expr: &'a Expr, name: &str) -> anyhow::Result<&'a Expr> {
    let Expr::Struct(value) = expr else { bail!("expected a struct with {name}") };
    let found = value
        .fields
        .iter()
        .find(|field| matches!(&field.member, syn::Member::Named(member) if member == name));
    Ok(&found.with_context(|| format!("no field {name}"))?.expr)
}

fn bits(expr: &Expr) -> anyhow::Result<u16> {
    let Expr::Lit(ExprLit { lit: Lit::Int(bits), .. }) = expr else { bail!("expected bits") };
    Ok(bits.base10_parse()?)
}

fn text(expr: &Expr) -> anyhow::Result<String> {
    strings(expr).into_iter().next().context("expected a text")
}

/// The items of `&[…]`.
fn items(expr: &Expr) -> anyhow::Result<Vec<&Expr>> {
    let Expr::Reference(reference) = expr else { bail!("expected `&[…]`") };
    let Expr::Array(array) = &*reference.expr else { bail!("expected `[…]`") };
    Ok(array.elems.iter().collect())
}

fn descriptor(expr: &Expr) -> anyhow::Result<Request> {
    let mut spellings = vec![];
    for spelling in items(field(expr, "spellings")?)? {
        let newest = text(field(spelling, "newest")?)?;
        let older = text(field(spelling, "older")?)?;
        spellings.push((newest, older, bits(field(spelling, "versions")?)?));
    }
    let word = |newest: String| {
        let own = spellings.iter().filter(|(word, ..)| *word == newest);
        Word { older: own.map(|(_, older, at)| (older.clone(), *at)).collect(), newest }
    };
    Ok(Request {
        name: word(text(field(expr, "name")?)?),
        parameters: strings(field(expr, "parameters")?).into_iter().map(word).collect(),
        versions: bits(field(expr, "versions")?)?,
        output: text(field(expr, "output")?)?,
        types: None,
    })
}

/// `&[crate::ApiVersion::new(7, 2), …]`.
fn versions(expr: &Expr) -> anyhow::Result<Vec<String>> {
    let version = |expr: &Expr| {
        let Expr::Call(call) = expr else { bail!("expected a version") };
        let numbers: Vec<String> = call
            .args
            .iter()
            .map(|number| Ok(bits(number)?.to_string()))
            .collect::<anyhow::Result<_>>()?;
        Ok(numbers.join("."))
    };
    items(expr)?.into_iter().map(version).collect()
}

/// The static that a method sends, and the types it sends and gives.
fn method_types(
    method: &syn::ImplItemFn,
    outputs: &HashMap<String, Vec<(String, RustType)>>,
) -> anyhow::Result<(String, Types)> {
    let mut names = vec![];
    let mut parameters = vec![];
    for input in &method.sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let syn::Pat::Ident(name) = &*input.pat else { bail!("a parameter without a name") };
        names.push(name.ident.to_string());
        parameters.push(type_of(&input.ty)?);
    }
    let syn::ReturnType::Type(_, result) = &method.sig.output else { bail!("no result") };
    let result = argument(result).context("no Call<…>")?;
    let results = match &result {
        Type::Tuple(_) => vec![],
        other => {
            let ty = type_of(other)?;
            outputs.get(&ty.name).cloned().unwrap_or_else(|| vec![(String::new(), ty)])
        }
    };
    let Some(syn::Stmt::Expr(Expr::MethodCall(call), None)) = method.block.stmts.first() else {
        bail!("its body is no call")
    };
    let mut arguments = call.args.iter();
    let Some(Expr::Reference(constant)) = arguments.next() else { bail!("no descriptor") };
    let Expr::Path(constant) = &*constant.expr else { bail!("no descriptor") };
    let Some(Expr::Macro(values)) = arguments.next() else { bail!("no vec![…]") };
    let sent = values.mac.parse_body::<Sent>()?.0;
    ensure!(sent == names, "it sends {sent:?} and takes {names:?}");
    Ok((constant.path.require_ident()?.to_string(), Types { parameters, results }))
}

/// `T` of `Anything<T>`.
fn argument(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    }
}

fn type_of(ty: &Type) -> anyhow::Result<RustType> {
    match ty {
        Type::Reference(reference) => type_of(&reference.elem),
        Type::Slice(slice) => Ok(array_of(type_of(&slice.elem)?)),
        Type::Path(path) => {
            let name = path.path.segments.last().context("an empty path")?.ident.to_string();
            match (name.as_str(), argument(ty)) {
                ("Option", Some(inner)) => type_of(&inner),
                ("Vec", Some(inner)) => Ok(array_of(type_of(&inner)?)),
                _ => Ok(RustType { name, array: false }),
            }
        }
        _ => bail!("a type that nothing is known of"),
    }
}

/// Bytes travel in one element.
fn array_of(inner: RustType) -> RustType {
    RustType { array: inner.name != "u8", name: inner.name }
}

/// `a.to_value(), b.to_value()`: the names.
struct Sent(Vec<String>);

impl Parse for Sent {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let calls = input.parse_terminated(Expr::parse, Token![,])?;
        let name = |expr: &Expr| match expr {
            Expr::MethodCall(call) => match &*call.receiver {
                Expr::Path(path) => Ok(path.path.require_ident()?.to_string()),
                _ => Err(input.error("expected a parameter")),
            },
            _ => Err(input.error("expected a call")),
        };
        calls.iter().map(name).collect::<syn::Result<_>>().map(Self)
    }
}

/// The body of `managed_object!`: the handle's name.
struct Handle(String);

impl Parse for Handle {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        Attribute::parse_outer(input)?;
        let name: Ident = input.parse()?;
        if input.parse::<Option<Token![:]>>()?.is_some() {
            input.parse::<Ident>()?;
        }
        Ok(Self(name.to_string()))
    }
}

/// The body of `open_enum!`.
struct OpenEnum {
    name: String,
    values: Vec<Word>,
}

impl Parse for OpenEnum {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        Attribute::parse_outer(input)?;
        let name: Ident = input.parse()?;
        let content;
        syn::braced!(content in input);
        let mut values = vec![];
        while !content.is_empty() {
            Attribute::parse_outer(&content)?;
            content.call(Ident::parse_any)?;
            content.parse::<Token![=]>()?;
            let newest = content.parse::<LitStr>()?.value();
            let mut older = vec![];
            while content.parse::<Option<Token![|]>>()?.is_some() {
                let word = content.parse::<LitStr>()?.value();
                content.parse::<Token![in]>()?;
                older.push((word, content.parse::<LitInt>()?.base10_parse()?));
            }
            content.parse::<Token![,]>()?;
            values.push(Word { newest, older });
        }
        Ok(Self { name: name.to_string(), values })
    }
}
