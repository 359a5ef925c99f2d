"""Publications that several parts build on."""

from plait.registry import Reference

PROSST = Reference(
    authors="Li M, Tan Y, Ma X, Zhong B, Yu H, Zhou Z, Ouyang W, Zhou B, Tan P, Hong L",
    title="ProSST: Protein Language Modeling with Quantized Structure and Disentangled Attention",
    venue="Advances in Neural Information Processing Systems 37",
    year=2024,
    doi="10.52202/079017-1126",
)
GVP = Reference(
    authors="Jing B, Eismann S, Suriana P, Townshend RJL, Dror R",
    title="Learning from Protein Structure with Geometric Vector Perceptrons",
    venue="International Conference on Learning Representations",
    year=2021,
)
GEARNET = Reference(
    authors="Zhang Z, Xu M, Jamasb A, Chenthamarakshan V, Lozano A, Das P, Tang J",
    title="Protein Representation Learning by Geometric Structure Pretraining",
    venue="International Conference on Learning Representations",
    year=2023,
)
SIAMDIFF = Reference(
    authors="Zhang Z, Xu M, Lozano A, Chenthamarakshan V, Das P, Tang J",
    title="Pre-Training Protein Encoder via Siamese Sequence-Structure Diffusion Trajectory Prediction",
    venue="Advances in Neural Information Processing Systems 36",
    year=2023,
)
GEMME = Reference(
    "Laine E, Karami Y, Carbone A",
    "GEMME: a simple and fast global epistatic model predicting mutational effects",
    "Molecular Biology and Evolution 36(11):2604-2619",
    2019,
    "10.1093/molbev/msz179",
)

RSALOR = Reference(
    authors="Tsishyn M, Hermans P, Rooman M, Pucci F",
    title="Residue conservation and solvent accessibility are (almost) all you need for predicting mutational effects "
    "in proteins",
    venue="Bioinformatics 41(6):btaf322",
    year=2025,
    doi="10.1093/bioinformatics/btaf322",
)
GPSITE = Reference(
    authors="Yuan Q, Tian C, Yang Y",
    title="Genome-scale annotation of protein binding sites via language model and geometric deep learning",
    venue="eLife 13:RP93695",
    year=2024,
    doi="10.7554/eLife.93695",
)
GEMMI = Reference(
    authors="Wojdyr M",
    title="GEMMI: A library for structural biology",
    venue="Journal of Open Source Software 7(73):4200",
    year=2022,
    doi="10.21105/joss.04200",
)
BIOTITE = Reference(
    authors="Kunzmann P, Müller TD, Greil M, Krumbach JH, Anter JM, Bauer D, Islam F, Hamacher K",
    title="Biotite: new tools for a versatile Python bioinformatics library",
    venue="BMC Bioinformatics 24:236",
    year=2023,
    doi="10.1186/s12859-023-05345-6",
)
VABSNET = Reference(
    authors="Zhao J, Zhuang W, Song J, Li Y, Lu S",
    title="Pre-Training Protein Bi-level Representation Through Span Mask Strategy On 3D Protein Chains",
    venue="International Conference on Machine Learning",
    year=2024,
    doi="10.48550/arXiv.2402.01481",
)
P2RANK = Reference(
    authors="Krivák R, Hoksza D",
    title="P2Rank: machine learning based tool for rapid and accurate prediction of ligand binding sites from protein "
    "structure",
    venue="Journal of Cheminformatics 10:39",
    year=2018,
    doi="10.1186/s13321-018-0285-8",
)
LIGSITE = Reference(
    authors="Hendlich M, Rippmann F, Barnickel G",
    title="LIGSITE: automatic and efficient detection of potential small molecule-binding sites in proteins",
    venue="Journal of Molecular Graphics and Modelling 15:359-363",
    year=1997,
    doi="10.1016/S1093-3263(98)00002-3",
)
DEEPFRI = Reference(
    authors="Gligorijević V, Renfrew PD, Kosciolek T, Leman JK, Berenberg D, Vatanen T, Chandler C, Taylor BC, "
    "Fisk IM, Vlamakis H, Xavier RJ, Knight R, Cho K, Bonneau R",
    title="Structure-based protein function prediction using graph convolutional networks",
    venue="Nature Communications 12:3168",
    year=2021,
    doi="10.1038/s41467-021-23303-9",
)
DEEPSF = Reference(
    authors="Hou J, Adhikari B, Cheng J",
    title="DeepSF: deep convolutional neural network for mapping protein sequences to folds",
    venue="Bioinformatics 34(8):1295-1303",
    year=2018,
    doi="10.1093/bioinformatics/btx780",
)
